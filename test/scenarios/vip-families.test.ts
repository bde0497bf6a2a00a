import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import * as arp from '../../src/arp/announcement.js';
import type { Link } from '../../src/kernel/ports.js';
import * as ndp from '../../src/ndp/announcement.js';
import type { Ip } from '../../src/net/ip.js';
import type { Mac } from '../../src/net/mac.js';
import { millis } from '../../src/time/instant.js';
import { createAlways } from '../../src/vip/always.js';
import { createVipDriver } from '../../src/vip/driver.js';
import type { Election } from '../../src/vip/election.js';
import type { Authority } from '../../src/vip/leadership.js';
import { isHeld } from '../../src/vip/state.js';
import { createFakeClock, type FakeClock } from '../fakes/clock.js';
import { silentLog } from '../fakes/log.js';
import { createFakeNetwork } from '../fakes/network.js';
import { createFakeLan, type FakeLan } from '../fakes/packet-sockets.js';

const vip4 = '192.0.2.100' as Ip;
const vip6 = '2001:db8::100' as Ip;
const other6 = 'fd00::100' as Ip;
const protocols = [arp.arp, ndp.ndp];
const nobody = '02:00:00:00:00:99' as Mac;

/** A node whose election always leads, with whole parts but for its kernel: addresses, and the answers that the kernel gives for them. */
function createNode(
  lan: FakeLan,
  clock: FakeClock,
  number: number,
  ips: readonly Ip[] = [vip4, vip6, other6],
  election: Election = createAlways(`node${number}`),
) {
  const link: Link = { index: number, name: 'eth0', mac: `02:00:00:00:00:0${number}` as Mac, up: true };
  const network = createFakeNetwork(clock, [link]);
  const host = lan.join(number);
  const said: string[] = [];
  let conflicts = 0;
  const driver = createVipDriver({
    ips,
    link,
    config: {
      probeFirst: true,
      patience: millis(5500),
      deadManSwitch: millis(3000),
      announce: { burst: 5, interval: millis(3000) },
    },
    election,
    network,
    packets: host.sockets,
    dataPath: { open: async () => {}, reset: async () => {}, close: async () => {} },
    clock,
    log: silentLog,
    observer: { announced: (form) => said.push(form), conflict: () => conflicts++, takeover() {}, serves() {} },
  });
  network.watch((change) => driver.network(change));
  for (const protocol of protocols) {
    const answer = (frame: Uint8Array) => {
      const asked = protocol.hear(frame, [vip4, vip6, other6], link.mac as Mac);
      if (asked?.kind !== 'probe' || network.held(asked.ip) === undefined) return;
      const last = protocol.announcements(asked.ip, link.mac as Mac).at(-1);
      if (last !== undefined) socket.send(last.frame);
    };
    const where = { link: number, protocol: protocol.name, groups: [] };
    const socket = host.sockets.open(where, answer, () => {});
  }
  return {
    ...{ driver, network, said, link },
    conflicts: () => conflicts,
    has: () => ips.filter((ip) => network.held(ip) !== undefined),
  };
}

/** Lets time pass in steps in which everything that is under way gets done. */
async function pass(clock: FakeClock, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 10) {
    clock.advance(10);
    await setImmediate();
  }
}

/** What was sent on the LAN, in words: the kind of claim or probe, and the address. */
function words(lan: FakeLan): readonly string[] {
  return lan.frames.flatMap((frame) => {
    const heard = protocols.map((protocol) => protocol.hear(frame, [vip4, vip6, other6], nobody)).find(Boolean);
    return heard === undefined ? [] : [`${heard.kind} ${heard.ip}`];
  });
}

test('addresses of both families are asked for, taken, announced and given up together', async () => {
  const [lan, clock] = [createFakeLan(), createFakeClock()];
  const node = createNode(lan, clock, 1);
  node.driver.start();
  await setImmediate();
  assert.deepEqual(words(lan), [`probe ${vip4}`, `probe ${vip6}`, `probe ${other6}`]);
  assert.deepEqual(node.has(), []);
  await pass(clock, 30);
  assert.deepEqual(node.has(), [vip4, vip6, other6]);
  const once = [`claim ${vip4}`, `claim ${vip4}`, `claim ${vip6}`, `claim ${other6}`];
  assert.deepEqual(words(lan).slice(3), once);
  await pass(clock, 1000);
  assert.deepEqual(words(lan).slice(3), [...once, ...once, ...once, ...once, ...once]);
  assert.deepEqual(node.said.slice(0, 4), ['request', 'reply', 'advertisement', 'advertisement']);
  await node.driver.stop();
  assert.deepEqual(node.has(), []);
  assert.equal(new Set(node.network.requests.filter(({ kind }) => kind === 'remove').map(({ at }) => at)).size, 1);
});

test('one address that another host still answers for keeps all of them from being taken', async () => {
  for (const answered of [vip4, vip6]) {
    const [lan, clock] = [createFakeLan(), createFakeClock()];
    const [stranger, node] = [createNode(lan, clock, 2, [answered]), createNode(lan, clock, 1)];
    stranger.driver.start();
    await pass(clock, 100);
    node.driver.start();
    await pass(clock, 2000);
    assert.deepEqual([node.has(), stranger.has()], [[], [answered]]);
    await stranger.driver.stop();
    await pass(clock, 100);
    assert.deepEqual(node.has(), [vip4, vip6, other6]);
  }
});

test('a claim of the IPv6 address is a conflict, counted and answered; a probe is left to the kernel', async () => {
  const [lan, clock] = [createFakeLan(), createFakeClock()];
  const node = createNode(lan, clock, 1);
  const stranger = lan.join(2).sockets.open(
    { link: 2, protocol: 'ndp', groups: [] },
    () => {},
    () => {},
  );
  node.driver.start();
  await pass(clock, 1000);
  const before = words(lan).length;
  stranger.send(ndp.probeFrame(vip6, nobody));
  await pass(clock, 10);
  assert.deepEqual([node.conflicts(), words(lan).slice(before)], [0, [`claim ${vip6}`]]);
  stranger.send(ndp.announcementFrame(vip6, '02:00:00:00:00:02' as Mac));
  await pass(clock, 10);
  assert.equal(node.conflicts(), 1);
  const answer = words(lan).slice(before + 2);
  assert.deepEqual(answer, [`claim ${vip4}`, `claim ${vip4}`, `claim ${vip6}`, `claim ${other6}`]);
  assert.ok(isHeld(node.driver.view().state));
  await node.driver.stop();
});

test('a holder without proof hears of who wants or claims the IPv6 address, and its election yields', async () => {
  for (const frame of [ndp.probeFrame(vip6, nobody), ndp.announcementFrame(vip6, nobody)]) {
    const [lan, clock] = [createFakeLan(), createFakeClock()];
    let changed = () => {};
    let authority: Authority = { kind: 'unchallenged' };
    const node = createNode(lan, clock, 1, [vip6], {
      start(onChange) {
        changed = onChange;
      },
      leadership: () => ({ role: 'leader', leader: 'node1', because: 'api-loss-hold', authority }),
      claimed() {
        authority = { kind: 'none' };
        changed();
      },
      unclaimed() {},
      able() {},
      address() {},
      async stop() {},
      cede: async () => undefined,
    });
    const other = lan.join(2).sockets.open(
      { link: 2, protocol: 'ndp', groups: [] },
      () => {},
      () => {},
    );
    node.driver.start();
    await pass(clock, 1000);
    assert.deepEqual(node.has(), [vip6]);
    other.send(frame);
    await pass(clock, 50);
    assert.deepEqual(node.has(), []);
  }
});

test('one address that is lost is put back with the others, and one that is refused takes all away', async () => {
  const [lan, clock] = [createFakeLan(), createFakeClock()];
  const node = createNode(lan, clock, 1);
  node.driver.start();
  await pass(clock, 1000);
  node.network.deleteAddress(vip6, node.link.index);
  await pass(clock, 10);
  assert.deepEqual(node.has(), [vip4, vip6, other6]);
  node.network.refusePut = 'EACCES';
  node.network.deleteAddress(vip6, node.link.index);
  await pass(clock, 1000);
  assert.deepEqual(node.has(), []);
  assert.equal(node.driver.view().state.fault, 'address-refused');
});

test('a VIP that was ceded is refreshed no more, since nothing could doubt it any more', async () => {
  const [lan, clock] = [createFakeLan(), createFakeClock()];
  const node = createNode(lan, clock, 1);
  node.driver.start();
  await pass(clock, 1000);
  assert.notEqual(await node.driver.cede(), undefined);
  const requests = node.network.requests.length;
  await pass(clock, 3000);
  assert.deepEqual([node.has(), node.network.requests.length], [[], requests]);
});

test('a VIP that nobody went on with after it was ceded is off when its driver has stopped', async () => {
  const [lan, clock] = [createFakeLan(), createFakeClock()];
  const node = createNode(lan, clock, 1);
  node.driver.start();
  await pass(clock, 1000);
  await node.driver.cede();
  await node.driver.stop();
  assert.deepEqual(node.has(), []);
  await pass(clock, 5000);
  assert.deepEqual(node.has(), []);
});
