import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InterfaceAddress, Link } from '../../../src/kernel/ports.js';
import { type Cidr, parseCidr } from '../../../src/net/cidr.js';
import type { Mac } from '../../../src/net/mac.js';
import { millis } from '../../../src/time/instant.js';
import { chooseInterface } from '../../../src/vip/interface.js';
import { findLeftovers } from '../../../src/vip/leftovers.js';

const links: readonly Link[] = ['lo', 'eth0', 'eth1'].map((name, index) => ({
  index: index + 1,
  name,
  mac: `02:00:00:00:00:0${index}` as Mac,
  up: true,
}));
const [vip, vip6] = ['10.1.0.100', '2001:db8::100'].map(parseCidr) as [Cidr, Cidr];
const noRoutes = { 4: undefined, 6: undefined };

function address(text: string, link: number, more: Partial<InterfaceAddress> = {}): InterfaceAddress {
  const cidr = parseCidr(text) as Cidr;
  return { ...cidr, link, lifetime: 'forever', deprecated: false, protocol: undefined, ...more };
}

test('the interface is the configured one, else the narrowest subnet that holds the VIP, else the default route', () => {
  const addresses = [address('127.0.0.1/8', 1), address('10.0.0.5/8', 2), address('10.1.0.5/24', 3)];
  const host = { links, addresses, defaultRouteLinks: { 4: 2, 6: undefined } };
  const name = (choice: ReturnType<typeof chooseInterface>) => (choice.ok ? choice.link.name : choice.message);
  assert.equal(name(chooseInterface(host, [vip], 'eth0')), 'eth0');
  assert.equal(name(chooseInterface(host, [vip], undefined)), 'eth1');
  assert.equal(name(chooseInterface({ ...host, addresses: [] }, [vip], undefined)), 'eth0');
  assert.match(name(chooseInterface(host, [vip], 'eth9')), /eth9 does not exist; this host has lo, eth0, eth1/);
  assert.match(
    name(chooseInterface({ ...host, addresses: [], defaultRouteLinks: noRoutes }, [vip], undefined)),
    /set interface/,
  );
});

test('the network and broadcast addresses of the subnet are refused', () => {
  const host = { links, addresses: [address('10.1.0.5/24', 3)], defaultRouteLinks: { 4: 2, 6: undefined } };
  for (const text of ['10.1.0.0', '10.1.0.255']) {
    const choice = chooseInterface(host, [parseCidr(text) as Cidr], undefined);
    assert.ok(!choice.ok && /network or broadcast address of 10\.1\.0\.5\/24/.test(choice.message));
  }
  assert.ok(
    chooseInterface({ ...host, addresses: [address('10.1.0.4/31', 3)] }, [parseCidr('10.1.0.5') as Cidr], undefined).ok,
  );
});

test('addresses of both families are on one interface', () => {
  const named = (choice: ReturnType<typeof chooseInterface>) =>
    choice.ok ? `${choice.link.name} ${choice.because}` : choice.message;
  const choose = (
    addresses: readonly InterfaceAddress[],
    routes: Partial<Record<4 | 6, number>>,
    configured?: string,
  ) =>
    named(
      chooseInterface({ links, addresses, defaultRouteLinks: { ...noRoutes, ...routes } }, [vip, vip6], configured),
    );
  const [on4, on6] = [address('10.1.0.5/24', 3), address('2001:db8::5/64', 3)];
  const linkLocal = address('fe80::1/64', 2);
  assert.equal(choose([linkLocal, on4, on6], {}), 'eth1 subnet');
  // A subnet says more than a default route, for the address of the other family too.
  assert.equal(choose([on4], { 6: 2 }), 'eth1 subnet');
  assert.equal(choose([on6], {}), 'eth1 subnet');
  assert.equal(choose([], { 4: 2, 6: 2 }), 'eth0 default-route');
  const apart = /10\.1\.0\.100 belongs on eth1 and 2001:db8::100 on eth0, but .*; make two VIPs, or set interface/;
  assert.match(choose([on4, address('2001:db8::5/64', 2)], {}), apart);
  assert.match(choose([], { 4: 3, 6: 2 }), apart);
  assert.equal(choose([on4, address('2001:db8::5/64', 2)], {}, 'eth0'), 'eth0 configured');
  assert.match(choose([], { 4: 2 }), /no interface has a subnet that holds 2001:db8::100\/128/);
  assert.match(choose([], { 6: 2 }), /no interface has a subnet that holds 10\.1\.0\.100\/32/);
});

test('the routers’ anycast address of the subnet is refused', () => {
  const host = { links, addresses: [address('2001:db8::5/64', 3)], defaultRouteLinks: noRoutes };
  const choice = chooseInterface(host, [vip, parseCidr('2001:db8::') as Cidr], undefined);
  assert.ok(!choice.ok && /2001:db8:: is the routers' anycast address of 2001:db8::5\/64/.test(choice.message));
});

test('the VIP itself, left over, does not choose the interface', () => {
  const host = { links, addresses: [address('10.1.0.100/24', 3)], defaultRouteLinks: { 4: 2, 6: undefined } };
  const choice = chooseInterface(host, [vip], undefined);
  assert.ok(choice.ok && choice.link.name === 'eth0');
});

test('leftovers are ours by protocol, or a VIP that is never a source; any other is the host itself', () => {
  const ours = address('10.9.9.9/32', 2, { protocol: 118 });
  const left = address('10.1.0.100/32', 3, { deprecated: true });
  const other = address('10.1.0.5/32', 3, { deprecated: true });
  assert.deepEqual(findLeftovers([ours, left, other], [vip]), {
    remove: [
      { address: ours, because: 'ours' },
      { address: left, because: 'like-a-vip' },
    ],
    own: [],
  });
  // A cloud machine's address, by DHCP or for ever, a routed host's on its loopback, a Service's on kube-ipvs0: all stand alone.
  for (const own of [
    address('10.1.0.100/24', 3),
    address('10.1.0.100/32', 1),
    address('10.1.0.100/32', 3),
    address('10.1.0.100/32', 3, { lifetime: millis(3_000_000) }),
  ])
    assert.deepEqual(findLeftovers([own], [vip]), { remove: [], own: [own] });
});

test('a leftover with a prefix is known by that of the VIP, and by never being a source', () => {
  const wide = parseCidr('10.1.0.100/24') as Cidr;
  const left = address('10.1.0.100/24', 2, { deprecated: true });
  assert.deepEqual(findLeftovers([left], [wide]), { remove: [{ address: left, because: 'like-a-vip' }], own: [] });
  for (const own of [address('10.1.0.100/24', 2), address('10.1.0.100/16', 2, { deprecated: true })]) {
    assert.deepEqual(findLeftovers([own], [wide]), { remove: [], own: [own] });
  }
});

test('IPv6 leftovers are known like those of IPv4', () => {
  const ours = address('2001:db8::99/128', 2, { protocol: 118 });
  const lone = address('2001:db8::100/128', 3, { deprecated: true });
  const own = address('2001:db8::100/128', 3);
  assert.deepEqual(findLeftovers([ours, lone, address('::1/128', 1)], [vip, vip6]), {
    remove: [
      { address: ours, because: 'ours' },
      { address: lone, because: 'like-a-vip' },
    ],
    own: [],
  });
  assert.deepEqual(findLeftovers([own], [vip, vip6]), { remove: [], own: [own] });
});

test('a pattern means the one interface that matches, the one with the subnet, or the one that is up', () => {
  const [, eth0, eth1] = links as [Link, Link, Link];
  const down = (link: Link) => ({ ...link, up: false });
  const choose = (pattern: RegExp, present: readonly Link[], addresses: readonly InterfaceAddress[] = []) => {
    const choice = chooseInterface({ links: present, addresses, defaultRouteLinks: { 4: 1, 6: 1 } }, [vip], pattern);
    return choice.ok ? `${choice.link.name} ${choice.because}` : `${choice.refusal}: ${choice.message}`;
  };
  assert.equal(choose(/^eth0$/, links), 'eth0 pattern');
  assert.equal(choose(/^eth/, [down(eth0)]), 'eth0 pattern');
  assert.equal(choose(/^eth/, links, [address('10.1.0.5/24', 3)]), 'eth1 pattern');
  assert.equal(choose(/^eth/, [eth0, down(eth1)], [address('10.1.0.5/24', 3)]), 'eth1 pattern');
  assert.equal(choose(/^eth/, [eth0, down(eth1)]), 'eth0 pattern');
  // What holds the address, but does not match, does not count.
  assert.equal(choose(/^eth1/, links, [address('10.1.0.5/24', 2)]), 'eth1 pattern');
  assert.match(choose(/^eth/, links), /^unfit: eth0, eth1 match \/\^eth\/, and not one of them alone/);
  assert.match(choose(/^eth/, [down(eth0), down(eth1)]), /^absent: eth0, eth1 match/);
  assert.match(choose(/^en/, links), /^absent: no interface matches \/\^en\/; this host has lo, eth0, eth1$/);
});
