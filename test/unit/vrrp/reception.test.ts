import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../../src/net/ip.js';
import { encodeIpPacket } from '../../../src/net/ip-packet.js';
import { millis } from '../../../src/time/instant.js';
import { groupOf, type VrrpConfig } from '../../../src/vrrp/config.js';
import { type Advertisement, encodeAdvertisement, passwordBytes, vrrpProtocol } from '../../../src/vrrp/packet.js';
import { receive, type VrrpRefusal } from '../../../src/vrrp/reception.js';
import { vrrpConfig } from '../../fakes/vrrp-config.js';

const own = '192.0.2.251' as Ip;
const peer = '192.0.2.252' as Ip;
const [vip] = vrrpConfig.addresses as [Ip];
const config3: VrrpConfig = { ...vrrpConfig, addresses: [vip, '192.0.2.2' as Ip, '2001:db8::1' as Ip] };
const config2: VrrpConfig = { ...config3, version: 2, authPass: '1111' };
const unicast: VrrpConfig = { ...config3, unicastPeers: [peer] };

interface Path {
  readonly source: Ip;
  readonly destination: Ip;
  readonly hopLimit: number;
}

/** What a peer of that configuration sends, but for the given differences. */
function packet(config: VrrpConfig, message: Partial<Advertisement> = {}, path: Partial<Path> = {}): Uint8Array {
  const { source = peer, hopLimit = 255 } = path;
  const destination = path.destination ?? (config.unicastPeers.length === 0 ? groupOf(4) : own);
  const advertisement: Advertisement = {
    version: config.version,
    virtualRouterId: config.virtualRouterId,
    priority: config.priority,
    interval: config.advertInterval,
    auth: config.version === 2 ? { type: 1, password: passwordBytes(config.authPass) } : { type: 0 },
    addresses: [vip, '192.0.2.2' as Ip],
    ...message,
  };
  const payload = encodeAdvertisement(advertisement, { source, destination }, 'keepalived');
  return encodeIpPacket({ source, destination, hopLimit, payload, protocol: vrrpProtocol, trafficClass: 0xc0 });
}

const refusal = (bytes: Uint8Array, config: VrrpConfig): VrrpRefusal | 'none' => {
  const received = receive(bytes, config, [own, 'fe80::fb' as Ip]);
  return received.ok ? 'none' : received.reason;
};

test('what a peer sends that is set up alike counts, whatever its priority and, in v3, its interval', () => {
  for (const config of [config2, config3, unicast]) {
    for (const priority of [0, 1, 100, 255]) assert.equal(refusal(packet(config, { priority }), config), 'none');
  }
  assert.equal(refusal(packet(config3, { interval: millis(10) }), config3), 'none');
  const received = receive(packet(config3), config3, [own]);
  assert.ok(received.ok);
  assert.equal(received.value.source, peer);
  assert.equal(received.value.form, 'keepalived');
});

test('the order of the addresses does not matter', () => {
  assert.equal(refusal(packet(config3, { addresses: ['192.0.2.2' as Ip, vip] }), config3), 'none');
});

test('each refusal has its word', () => {
  const corrupt = packet(config3);
  corrupt[25] = (corrupt[25] ?? 0) ^ 1;
  const otherType = packet(config3);
  otherType[20] = 0x32;
  const v1 = packet(config3);
  v1[20] = 0x11;
  const cases: readonly (readonly [VrrpRefusal, Uint8Array, VrrpConfig])[] = [
    ['length', packet(config3).subarray(0, 30), config3],
    ['length', new Uint8Array(0), config3],
    ['ttl', packet(config3, {}, { hopLimit: 254 }), config3],
    ['version', packet(config2), config3],
    ['version', packet(config3), config2],
    ['version', v1, config3],
    ['type', otherType, config3],
    ['checksum', corrupt, config3],
    ['vrid', packet(config3, { virtualRouterId: 52 }), config3],
    ['auth', packet(config2, { auth: { type: 0 } }), config2],
    ['auth', packet(config2, { auth: { type: 2 } }), config2],
    ['auth', packet(config2, { auth: { type: 1, password: passwordBytes('1112') } }), config2],
    ['auth', packet(config2), { ...config2, authPass: '' }],
    ['interval', packet(config2, { interval: millis(2000) }), config2],
    ['interval', packet(config3, { interval: millis(0) }), config3],
    ['own-address', packet(config3, {}, { source: own }), config3],
    ['not-unicast', packet(unicast, {}, { destination: groupOf(4) }), unicast],
    ['not-multicast', packet(config3, {}, { destination: own }), config3],
    ['unknown-peer', packet(unicast, {}, { source: '192.0.2.7' as Ip }), unicast],
    ['address-list', packet(config3, { addresses: [] }), config3],
    ['address-list', packet(config3, { addresses: [vip] }), config3],
    ['address-list', packet(config3, { addresses: [vip, '192.0.2.3' as Ip] }), config3],
    ['address-list', packet(config3, { addresses: [vip, vip] }), config3],
  ];
  for (const [reason, bytes, config] of cases) assert.equal(refusal(bytes, config), reason);
});

test('unicast peers may be behind a router (keepalived)', () => {
  assert.equal(refusal(packet(unicast, {}, { hopLimit: 63 }), unicast), 'none');
});

test('a longer password counts by its first eight bytes', () => {
  const config = { ...config2, authPass: 'cluster_api_vip' };
  assert.equal(refusal(packet({ ...config2, authPass: 'cluster_ingress' }), config), 'none');
});
