import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../../src/net/ip.js';
import { encodeIpPacket } from '../../../src/net/ip-packet.js';
import { random, type Seed } from '../../../src/time/random.js';
import { groupOf, type VrrpConfig } from '../../../src/vrrp/config.js';
import { encodeAdvertisement, passwordBytes, vrrpProtocol } from '../../../src/vrrp/packet.js';
import { receive } from '../../../src/vrrp/reception.js';
import { vrrpConfig } from '../../fakes/vrrp-config.js';

const vip6 = '2001:db8::100' as Ip;
const configs: readonly VrrpConfig[] = [
  { ...vrrpConfig, version: 2, authPass: '1111' },
  vrrpConfig,
  { ...vrrpConfig, addresses: [vip6] },
];

/** What a peer of this configuration sends. */
function packetOf({ version, virtualRouterId, priority, advertInterval, authPass, addresses }: VrrpConfig): Uint8Array {
  const isIpv6 = addresses[0] === vip6;
  const path = { source: (isIpv6 ? 'fe80::2' : '192.0.2.2') as Ip, destination: groupOf(isIpv6 ? 6 : 4) };
  const auth = version === 2 ? ({ type: 1, password: passwordBytes(authPass) } as const) : ({ type: 0 } as const);
  const advertisement = { version, virtualRouterId, priority, interval: advertInterval, auth, addresses };
  const payload = encodeAdvertisement(advertisement, path, 'keepalived');
  return encodeIpPacket({ ...path, hopLimit: 255, payload, protocol: vrrpProtocol, trafficClass: 0xc0 });
}

test('a million mutated packets: each is refused by name, or says what a peer may say', () => {
  const originals = configs.map((config) => ({ config, packet: packetOf(config) }));
  let seed = 20_240_101 as Seed;
  const draw = (below: number): number => {
    const drawn = random(seed);
    seed = drawn.seed;
    return Math.floor(drawn.value * below);
  };
  const refusals = new Map<string, number>();
  let accepted = 0;
  for (let i = 0; i < 1_000_000; i++) {
    const { config, packet } = originals[i % originals.length] as (typeof originals)[number];
    let bytes = packet.slice();
    for (let changes = draw(4); changes >= 0; changes--) bytes[draw(bytes.length)] = draw(256);
    if (draw(8) === 0) bytes = bytes.subarray(0, draw(bytes.length + 1));
    const received = receive(bytes, config, ['192.0.2.1' as Ip]);
    if (!received.ok) {
      refusals.set(received.reason, (refusals.get(received.reason) ?? 0) + 1);
      continue;
    }
    accepted++;
    const { advertisement } = received.value;
    assert.equal(advertisement.version, config.version);
    assert.equal(advertisement.virtualRouterId, config.virtualRouterId);
    assert.deepEqual(advertisement.addresses, config.addresses);
  }
  // Changes outside of what is read leave a packet as good as it was; all else is found.
  assert.ok(accepted > 1000 && accepted < 200_000, `${accepted} accepted`);
  for (const reason of ['length', 'ttl', 'version', 'type', 'checksum', 'not-multicast']) {
    assert.ok((refusals.get(reason) ?? 0) > 0, `${reason}: ${[...refusals]}`);
  }
});
