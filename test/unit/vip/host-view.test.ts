import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InterfaceAddress, Link } from '../../../src/kernel/ports.js';
import { type Cidr, parseCidr } from '../../../src/net/cidr.js';
import type { Mac } from '../../../src/net/mac.js';
import { chooseInterface } from '../../../src/vip/interface.js';
import { findLeftovers } from '../../../src/vip/leftovers.js';

const links: readonly Link[] = ['lo', 'eth0', 'eth1'].map((name, index) => ({
  index: index + 1,
  name,
  mac: `02:00:00:00:00:0${index}` as Mac,
  up: true,
}));
const vip = parseCidr('10.1.0.100') as Cidr;

function address(text: string, link: number, more: Partial<InterfaceAddress> = {}): InterfaceAddress {
  const cidr = parseCidr(text) as Cidr;
  return { ...cidr, link, lifetime: 'forever', deprecated: false, protocol: undefined, ...more };
}

test('the interface is the configured one, else the narrowest subnet that holds the VIP, else the default route', () => {
  const addresses = [address('127.0.0.1/8', 1), address('10.0.0.5/8', 2), address('10.1.0.5/24', 3)];
  const host = { links, addresses, defaultRouteLink: 2 };
  const name = (choice: ReturnType<typeof chooseInterface>) => (choice.ok ? choice.link.name : choice.message);
  assert.equal(name(chooseInterface(host, vip, 'eth0')), 'eth0');
  assert.equal(name(chooseInterface(host, vip, undefined)), 'eth1');
  assert.equal(name(chooseInterface({ ...host, addresses: [] }, vip, undefined)), 'eth0');
  assert.match(name(chooseInterface(host, vip, 'eth9')), /eth9 does not exist; this host has lo, eth0, eth1/);
  assert.match(
    name(chooseInterface({ ...host, addresses: [], defaultRouteLink: undefined }, vip, undefined)),
    /set interface/,
  );
});

test('the network and broadcast addresses of the subnet are refused', () => {
  const host = { links, addresses: [address('10.1.0.5/24', 3)], defaultRouteLink: 2 };
  for (const text of ['10.1.0.0', '10.1.0.255']) {
    const choice = chooseInterface(host, parseCidr(text) as Cidr, undefined);
    assert.ok(!choice.ok && /network or broadcast address of 10\.1\.0\.5\/24/.test(choice.message));
  }
  assert.ok(
    chooseInterface({ ...host, addresses: [address('10.1.0.4/31', 3)] }, parseCidr('10.1.0.5') as Cidr, undefined).ok,
  );
});

test('the VIP itself, left over, does not choose the interface', () => {
  const host = { links, addresses: [address('10.1.0.100/24', 3)], defaultRouteLink: 2 };
  const choice = chooseInterface(host, vip, undefined);
  assert.ok(choice.ok && choice.link.name === 'eth0');
});

test('leftovers are ours by protocol, or a lone VIP; a VIP with a subnet is the host itself', () => {
  const ours = address('10.9.9.9/32', 2, { protocol: 118 });
  const lone = address('10.1.0.100/32', 3);
  const own = address('10.1.0.100/24', 3);
  const other = address('10.1.0.5/32', 3);
  assert.deepEqual(findLeftovers([ours, lone, other], [vip]), {
    remove: [
      { address: ours, because: 'ours' },
      { address: lone, because: 'like-a-vip' },
    ],
    own: [],
  });
  assert.deepEqual(findLeftovers([own], [vip]), { remove: [], own: [own] });
});
