import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelError } from '../../../src/kernel/errors.js';
import type { Link, VrrpSockets } from '../../../src/kernel/ports.js';
import type { Family, Ip } from '../../../src/net/ip.js';
import { decodeIpPacket, encodeIpPacket } from '../../../src/net/ip-packet.js';
import type { Mac } from '../../../src/net/mac.js';
import type { Log } from '../../../src/telemetry/log.js';
import type { Clock } from '../../../src/time/clock.js';
import { millis } from '../../../src/time/instant.js';
import { groupOf, type VrrpConfig } from '../../../src/vrrp/config.js';
import { createVrrpElection } from '../../../src/vrrp/driver.js';
import { decodeAdvertisement, encodeAdvertisement, vrrpProtocol } from '../../../src/vrrp/packet.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeNetwork } from '../../fakes/network.js';
import { vrrpConfig } from '../../fakes/vrrp-config.js';
import { createFakeVrrpLan } from '../../fakes/vrrp-sockets.js';

const [vip] = vrrpConfig.addresses as [Ip];
const vip6 = '2001:db8::100' as Ip;
const base: VrrpConfig = { ...vrrpConfig, advertInterval: millis(100) };

/** A LAN of hosts, and a clock that moves in steps in which everything that was sent arrives. */
function createPlace() {
  const clock = createFakeClock();
  const lan = createFakeVrrpLan();
  let links = 0;

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed <= ms; passed++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (passed < ms) clock.advance(1);
    }
  }

  function router(
    differences: Partial<VrrpConfig> = {},
    { addresses, refuse }: { addresses?: readonly Ip[]; refuse?: () => string | undefined } = {},
  ) {
    const index = ++links;
    const link: Link = { index, name: 'eth0', mac: '02:00:00:00:00:01' as Mac, up: true };
    const ips = addresses ?? [`192.0.2.${index}` as Ip, `fe80::${index}` as Ip];
    const network = createFakeNetwork(clock, [link]);
    const addAddress = (ip: Ip) =>
      network.addAddress({
        ip,
        prefixLength: 24,
        link: index,
        lifetime: 'forever',
        deprecated: false,
        protocol: undefined,
      });
    for (const ip of ips) addAddress(ip);
    const host = lan.join(index, ips);
    const lines: string[] = [];
    const refusals: string[] = [];
    const sent: (readonly [Family, number])[] = [];
    const write = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const log: Log = { debug: write, info: write, warn: write, error: write };
    // A process that is stopped is not woken by its timers.
    let stopped: (() => void)[] | undefined;
    const ownClock: Clock = {
      ...clock,
      at: (instant, action) => clock.at(instant, () => (stopped === undefined ? action() : void stopped.push(action))),
    };
    const sockets: VrrpSockets = {
      open(where, onPacket, onError) {
        const code = refuse?.();
        if (code !== undefined) throw new KernelError('socket on the VRRP socket', code);
        return host.sockets.open(where, onPacket, onError);
      },
    };
    const election = createVrrpElection({
      node: `lb${index}`,
      config: { ...base, ...differences },
      link,
      sources: [],
      network,
      sockets,
      clock: ownClock,
      log,
      observer: {
        sent: (family, priority) => void sent.push([family, priority]),
        received() {},
        refused: (reason) => void refusals.push(reason),
        transition() {},
        stepped() {},
      },
    });
    network.watch((change) => election.network(change));
    const result = {
      election,
      host,
      network,
      addAddress,
      lines,
      refusals,
      sent,
      contests: 0,
      /** As the VIP does: what the election says is on the node at once. */
      start() {
        const follow = () => {
          const is = election.leadership().authority.kind;
          if (is !== 'suspended' && election.state().addressOn !== (is === 'proven')) election.address(is === 'proven');
        };
        election.start(follow, () => void result.contests++);
        return result;
      },
      sigstop() {
        stopped = [];
        host.setStopped(true);
      },
      sigcont() {
        const due = stopped ?? [];
        stopped = undefined;
        host.setStopped(false);
        for (const action of due) action();
      },
      role: () => election.state().role.kind,
    };
    return result;
  }

  /** What was sent since this was last asked. */
  let seen = 0;
  function advertisements() {
    const packets = lan.packets.slice(seen);
    seen = lan.packets.length;
    return packets.map((bytes) => {
      const packet = decodeIpPacket(bytes);
      assert.ok(packet.ok);
      const message = decodeAdvertisement(packet.value);
      assert.ok(message.ok);
      return { ...packet.value, ...message.value };
    });
  }
  return { clock, lan, pass, router, advertisements };
}

test('the higher priority leads; when it stops, the other relieves it', async () => {
  const place = createPlace();
  const high = place.router({ priority: 200 }).start();
  const low = place.router().start();
  await place.pass(500);
  place.advertisements();
  const stopping = high.election.stop();
  await place.pass(400);
  await stopping;
  assert.equal(low.role(), 'master');
  const said = place.advertisements().map(({ source, priority }) => `${source} ${priority}`);
  assert.deepEqual([...new Set(said)], ['192.0.2.1 1', '192.0.2.2 100']);
});

test('when it stops and the other does not preempt, priority 0 comes after its address is off, and the other leads within its skew', async () => {
  const place = createPlace();
  const high = place.router({ priority: 200 }).start();
  const low = place.router({ preempt: false }).start();
  await place.pass(500);
  assert.equal(high.role(), 'master');
  assert.equal(low.role(), 'backup');
  assert.equal(low.election.leadership().leader, '192.0.2.1');
  for (const { hopLimit, source, destination, form } of place.advertisements()) {
    assert.deepEqual([hopLimit, source, destination, form], [255, '192.0.2.1', groupOf(4), 'keepalived']);
  }
  const stopping = high.election.stop();
  await place.pass(590);
  assert.equal(low.role(), 'backup');
  place.advertisements();
  await place.pass(90);
  await stopping;
  assert.equal(low.role(), 'master');
  assert.deepEqual(
    place.advertisements().map(({ source, priority }) => [source, priority]),
    [
      ['192.0.2.1', 0],
      ['192.0.2.2', 100],
    ],
  );
});

test('a process that was stopped reads its queue before it sends', async () => {
  const place = createPlace();
  const high = place.router({ priority: 200 }).start();
  const low = place.router().start();
  await place.pass(500);
  high.sigstop();
  await place.pass(5000);
  assert.equal(low.role(), 'master');
  place.advertisements();
  high.sigcont();
  assert.deepEqual(high.role(), 'backup');
  assert.equal(high.election.leadership().authority.kind, 'none');
  assert.deepEqual(place.advertisements(), []);
});

test('a follower that was stopped reads its queue before it believes its timer', async () => {
  const place = createPlace();
  place.router({ priority: 200 }).start();
  const low = place.router().start();
  await place.pass(500);
  low.sigstop();
  await place.pass(800);
  low.sigcont();
  await place.pass(50);
  assert.equal(low.role(), 'backup');
  assert.deepEqual(low.sent, []);
});

test('a VIP of both families has one election, spoken in both; ties are broken in IPv4', async () => {
  const place = createPlace();
  const both = { addresses: [vip, vip6] };
  const first = place.router(both, { addresses: ['192.0.2.1' as Ip, 'fe80::9' as Ip] });
  const second = place.router(both, { addresses: ['192.0.2.2' as Ip, 'fe80::2' as Ip] });
  for (const { start, host } of [first, second]) {
    host.setUp(false);
    start();
  }
  await place.pass(500);
  assert.deepEqual([first.role(), second.role()], ['master', 'master'], 'they hear nobody');
  for (const { host } of [first, second]) host.setUp(true);
  await place.pass(150);
  assert.deepEqual([first.role(), second.role()], ['backup', 'master']);
  place.advertisements();
  await place.pass(200);
  const sent = place.advertisements();
  assert.deepEqual([...new Set(sent.map(({ destination }) => destination))].sort(), [groupOf(4), groupOf(6)]);
  for (const { source, addresses } of sent) {
    assert.ok(['192.0.2.2', 'fe80::2'].includes(source));
    assert.deepEqual(addresses, source.includes(':') ? [vip6] : [vip]);
  }
  assert.equal(first.election.leadership().leader, '192.0.2.2');
});

test('unicast: each peer gets its own copy, the group none', async () => {
  const place = createPlace();
  const [a, b, c] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'] as Ip[] as [Ip, Ip, Ip];
  place.router({ priority: 200, unicastPeers: [b, c] }).start();
  const others = [place.router({ unicastPeers: [a, c] }).start(), place.router({ unicastPeers: [a, b] }).start()];
  await place.pass(500);
  assert.deepEqual(
    place
      .advertisements()
      .slice(0, 2)
      .map(({ destination }) => destination),
    [b, c],
  );
  for (const other of others) {
    assert.equal(other.role(), 'backup');
    assert.deepEqual(other.refusals, []);
  }
});

test('a peer that is refused is an alarm, counted each time and logged once a minute', async () => {
  const place = createPlace();
  const here = place.router({ virtualRouterId: 51 }).start();
  assert.equal(here.election.alarm(), undefined);
  place.router({ priority: 200, addresses: ['192.0.2.101' as Ip] }).start();
  await place.pass(1000);
  assert.equal(here.role(), 'master');
  assert.ok(here.refusals.length > 5);
  assert.ok(here.refusals.every((reason) => reason === 'address-list'));
  const alarm = `a peer on this VRID is being refused: address-list (192.0.2.2: 192.0.2.101, ${here.refusals.length} so far)`;
  assert.equal(here.election.alarm(), alarm);
  const logged = () => here.lines.filter((line) => line.startsWith('advertisement refused')).length;
  assert.equal(logged(), 1);
  await place.pass(60_000);
  assert.equal(logged(), 2);
});

test('an alarm ends some time after the last refusal, and a flood from many addresses stays small', async () => {
  const place = createPlace();
  const here = place.router().start();
  await place.pass(10);
  const flooder = place.lan.join(99, []);
  const socket = flooder.sockets.open(
    { link: 99, family: 4, virtualRouterId: 51, group: true },
    () => {},
    () => {},
  );
  for (let i = 0; i < 10_000; i++) {
    const path = { source: `198.51.${i >> 8}.${i & 255}` as Ip, destination: groupOf(4) };
    const { version, virtualRouterId, priority, advertInterval: interval, addresses } = base;
    const message = { version, virtualRouterId, priority, interval, auth: { type: 0 }, addresses } as const;
    const payload = encodeAdvertisement(message, path, 'keepalived');
    socket.send(encodeIpPacket({ ...path, hopLimit: 1, payload, protocol: vrrpProtocol, trafficClass: 0 }));
    if (i % 100 === 0) await place.pass(0);
  }
  await place.pass(1);
  assert.equal(here.refusals.length, 10_000);
  assert.ok(here.lines.filter((line) => line.startsWith('advertisement refused')).length <= 17);
  assert.match(here.election.alarm() ?? '', /refused: ttl \(198\.51/);
  await place.pass(10_001);
  assert.equal(here.election.alarm(), undefined);
});

test('a master of lower priority is answered, and the VIP told so', async () => {
  const place = createPlace();
  const first = place.router({ priority: 200 }).start();
  await place.pass(400);
  const second = place.router({ priority: 100 });
  second.host.setUp(false);
  second.start();
  // Its next advertisement comes before the other's.
  await place.pass(530);
  assert.equal(second.role(), 'master', 'it hears nobody');
  second.host.setUp(true);
  await place.pass(150);
  assert.equal(second.role(), 'backup');
  assert.ok(first.contests >= 1);
});

test('without an address to send from it takes no part, until there is one', async () => {
  const place = createPlace();
  const here = place.router({}, { addresses: [] }).start();
  await place.pass(1000);
  assert.equal(here.election.leadership().because, 'no-source-address');
  here.addAddress('192.0.2.7' as Ip);
  await place.pass(500);
  assert.equal(here.role(), 'master');
  assert.equal(place.advertisements()[0]?.source, '192.0.2.7');
  here.network.deleteAddress('192.0.2.7' as Ip, 1);
  await place.pass(5);
  assert.equal(here.role(), 'initialize');
});

test('never sends from a VIP', async () => {
  const place = createPlace();
  const here = place.router({}, { addresses: [vip, '192.0.2.9' as Ip] }).start();
  await place.pass(500);
  assert.equal(here.role(), 'master');
  assert.ok(place.advertisements().every(({ source }) => source === '192.0.2.9'));
});

test('without a socket it takes no part, tries again, and says so once', async () => {
  const place = createPlace();
  let code: string | undefined = 'EPERM';
  const here = place.router({}, { refuse: () => code }).start();
  await place.pass(3000);
  assert.equal(here.election.leadership().because, 'no-socket');
  assert.equal(here.lines.filter((line) => line.startsWith('VRRP socket closed')).length, 1);
  code = undefined;
  await place.pass(1000);
  assert.equal(here.role(), 'master');
});

test('a node that cannot serve hands over and takes no part until it can', async () => {
  const place = createPlace();
  const high = place.router({ priority: 200 }).start();
  const low = place.router().start();
  await place.pass(500);
  high.election.able(false);
  await place.pass(100);
  assert.deepEqual([high.role(), low.role()], ['initialize', 'master']);
  high.election.able(true);
  await place.pass(500);
  assert.deepEqual([high.role(), low.role()], ['master', 'backup']);
});

test('the priority that tracking lowers moves the VIP', async () => {
  const place = createPlace();
  const high = place.router({ priority: 101 }).start();
  const low = place.router().start();
  await place.pass(500);
  high.election.tracked({ priority: 99, mayPreempt: true, fault: undefined, because: [] });
  await place.pass(600);
  assert.deepEqual([high.role(), low.role()], ['backup', 'master']);
});

test('a fault of tracking: the VIP is given away, and is taken again when it is over', async () => {
  const place = createPlace();
  const high = place.router({ priority: 200 }).start();
  const low = place.router().start();
  await place.pass(500);
  const verdict = { priority: 200, mayPreempt: true, because: [] };
  high.election.tracked({ ...verdict, fault: 'tracked-interface-down' });
  await place.pass(100);
  assert.deepEqual([high.role(), low.role()], ['initialize', 'master']);
  assert.equal(high.election.leadership().because, 'tracked-interface-down');
  high.election.tracked({ ...verdict, fault: undefined });
  await place.pass(500);
  assert.deepEqual([high.role(), low.role()], ['master', 'backup']);
});

test('a peer with the other form of checksum counts, and the log says so once', async () => {
  const place = createPlace();
  place.router({ priority: 200, checksum: 'rfc9568' }).start();
  const low = place.router().start();
  await place.pass(1000);
  assert.equal(low.role(), 'backup');
  const told = low.lines.filter((line) => line.includes('other form of checksum'));
  assert.equal(told.length, 1);
});
