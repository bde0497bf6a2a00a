import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import { type Family, familyOf, type Ip } from '../../src/net/ip.js';
import { decodeIpPacket } from '../../src/net/ip-packet.js';
import { millis } from '../../src/time/instant.js';
import type { VipStatus } from '../../src/vip/status.js';
import { downInterval, skewTime } from '../../src/vrrp/config.js';
import { decodeAdvertisement } from '../../src/vrrp/packet.js';
import { captureFrames } from './frame-capture.js';
import { type Keepalived, startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';

interface Variant {
  readonly version: 2 | 3;
  readonly family: Family;
  /** Milliseconds. */
  readonly interval: number;
  readonly isUnicast: boolean;
  readonly authPass?: string;
}

const variants: readonly Variant[] = [
  { version: 2, family: 4, interval: 1000, isUnicast: false, authPass: '1111' },
  { version: 3, family: 4, interval: 100, isUnicast: false },
  { version: 3, family: 6, interval: 100, isUnicast: false },
  { version: 2, family: 4, interval: 1000, isUnicast: true },
  { version: 3, family: 4, interval: 100, isUnicast: true },
  { version: 3, family: 6, interval: 100, isUnicast: true },
];

const vips = { 4: '10.77.0.100' as Ip, 6: 'fd77::100' as Ip } as const;

/** An advertisement as a third host on the switch sees it; of unicast as the sender does. */
interface Seen {
  readonly at: number;
  readonly source: Ip;
  readonly priority: number;
  readonly hopLimit: number;
}

/** A host with vipd and one with keepalived, set up alike. */
async function beside(
  variant: Variant,
  priorities: { readonly vipd: number; readonly keepalived: number },
  use: (place: {
    readonly ours: Host;
    readonly theirs: Host;
    readonly vip: Ip;
    readonly seen: readonly Seen[];
    startVipd(): Promise<Daemon>;
    startTheirs(): Promise<Keepalived>;
    status(): Promise<VipStatus>;
    holds(host: Host): Promise<boolean>;
    /** Of which host an advertisement is. */
    isBy(host: Host, advertisement: Seen): boolean;
  }) => Promise<void>,
): Promise<void> {
  const { version, family, interval, isUnicast, authPass } = variant;
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('vrrp', process.pid);
  try {
    const addHost = (name: string, number: number) =>
      network.addHost(name, `10.77.0.${number}/24`, `fd77::${number}/64`);
    const [ours, theirs] = await Promise.all([addHost('lb1', 11), addHost('lb2', 12)]);
    const vip = vips[family];
    const addressOf = (host: Host) => host.ips.find((ip) => familyOf(ip) === family) as Ip;
    const seen: Seen[] = [];
    const macs = new Map<Seen, string>();
    // The switch's end of each cable sees it all; a capture on both hosts sees multicast twice.
    for (const host of [ours, theirs]) {
      await captureFrames(host, 'proto 112 or ip6 proto 112', (at, frame) => {
        if (frame.source !== host.mac) return;
        const packet = decodeIpPacket(frame.payload);
        if (!packet.ok) return;
        const message = decodeAdvertisement(packet.value);
        if (!message.ok) return;
        const { source, hopLimit } = packet.value;
        const advertisement = { at, source, hopLimit, priority: message.value.priority };
        macs.set(advertisement, frame.source);
        seen.push(advertisement);
      });
    }
    const socket = join(folder, 'vipd.sock');
    const config = join(folder, 'vipd.yaml');
    const unicast = isUnicast ? { unicastSource: addressOf(ours), unicastPeers: [addressOf(theirs)] } : {};
    const vrrp = { version, priority: priorities.vipd, advertInterval: `${interval}ms`, authPass: authPass ?? '' };
    await writeFile(
      config,
      JSON.stringify({
        node: { name: 'lb1' },
        vips: [
          {
            name: 'web',
            addresses: [vip],
            interface: 'eth0',
            election: { type: 'vrrp', vrrp: { ...vrrp, ...unicast } },
            loadBalancer: { mode: 'off' },
          },
        ],
        metrics: { listen: 'off' },
        admin: { socket },
        log: { format: 'text' },
      }),
    );
    await use({
      ours,
      theirs,
      vip,
      seen,
      startVipd: () =>
        startDaemon(ours, program.node, [program.script, 'start', '--config', config], join(folder, 'vipd.log')),
      startTheirs: () =>
        startKeepalived(theirs, folder, 'keepalived', {
          version,
          priority: priorities.keepalived,
          advertInterval: interval / 1000,
          vips: [vip],
          ...(authPass === undefined ? {} : { authPass }),
          ...(isUnicast ? { unicast: { source: addressOf(theirs), peers: [addressOf(ours)] } } : {}),
        }),
      status: () =>
        until(
          async () => {
            const answer = await askStatus(socket);
            return answer.ok ? answer.status.vips[0] : undefined;
          },
          { what: 'an answer of vipd' },
        ),
      holds: async (host) => (await host.addresses()).some(({ ip }) => ip === vip),
      isBy: (host, advertisement) => macs.get(advertisement) === host.mac,
    });
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

const titleOf = ({ version, family, isUnicast, interval }: Variant) =>
  `v${version}, IPv${family}, ${isUnicast ? 'unicast' : 'multicast'}, ${interval} ms`;

describe('beside keepalived', { concurrency: 3 }, () => {
  for (const variant of variants) {
    const { version, interval } = variant;
    const down = (priority: number) => downInterval(version, priority, millis(interval));
    const skew = (priority: number) => skewTime(version, priority, millis(interval));

    it(`vipd first, ${titleOf(variant)}: keepalived accepts it, and takes over in its own times`, async () => {
      await beside(variant, { vipd: 150, keepalived: 100 }, async (place) => {
        const { ours, theirs, seen, isBy } = place;
        const vipd = await place.startVipd();
        await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
        const keepalived = await place.startTheirs();
        await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived to be backup' });
        // Longer than it would wait if it did not listen.
        const advertisements = () => seen.filter((one) => isBy(ours, one)).length;
        const before = advertisements();
        await until(() => advertisements() >= before + 9, { within: 30_000, what: 'nine advertisements' });
        assert.deepEqual(await keepalived.states(), ['BACKUP']);
        assert.deepEqual(await keepalived.complaints(), []);
        assert.ok(seen.every((one) => isBy(ours, one) && one.hopLimit === 255 && one.priority === 150));
        assert.equal(await place.holds(theirs), false);

        // An orderly stop: priority 0, then keepalived after its skew time.
        vipd.signal('SIGTERM');
        await vipd.ended;
        await until(() => place.holds(theirs), { what: 'keepalived to have the VIP' });
        assert.equal(await place.holds(ours), false);
        const farewell = seen.find((one) => one.priority === 0);
        const first = seen.find((one) => isBy(theirs, one));
        assert.ok(farewell !== undefined && first !== undefined);
        const waited = first.at - farewell.at;
        assert.ok(waited > skew(100) - 20 && waited < skew(100) + 200, `${waited} ms, skew ${skew(100)} ms`);

        // Back again it preempts, and keepalived yields.
        const again = await place.startVipd();
        await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived to yield' });
        await until(() => place.holds(ours), { what: 'vipd to have the VIP again' });

        // Dead, without a word: keepalived after its down interval.
        const since = seen.length;
        again.signal('SIGKILL');
        await again.ended;
        const successor = () => seen.slice(since).find((one) => isBy(theirs, one));
        await until(() => successor() !== undefined, { what: 'keepalived to take over' });
        const last = seen.filter((one) => isBy(ours, one)).at(-1);
        const silence = (successor()?.at ?? 0) - (last?.at ?? 0);
        assert.ok(silence > down(100) - 20 && silence < down(100) + 300, `${silence} ms, down ${down(100)} ms`);
        await until(async () => !(await place.holds(ours)), { what: 'the kernel to take the VIP from the dead' });
        assert.deepEqual(await keepalived.complaints(), []);
      });
    });

    it(`keepalived first, ${titleOf(variant)}: vipd follows, takes over in its own times, and yields`, async () => {
      await beside(variant, { vipd: 100, keepalived: 150 }, async (place) => {
        const { ours, theirs, seen, isBy } = place;
        const keepalived = await place.startTheirs();
        await until(() => place.holds(theirs), { what: 'keepalived to have the VIP' });
        await place.startVipd();
        await until(async () => (await place.status()).because === 'held-by-other', { what: 'vipd to hear it' });
        const advertisements = () => seen.filter((one) => isBy(theirs, one)).length;
        const before = advertisements();
        await until(() => advertisements() >= before + 9, { within: 30_000, what: 'nine advertisements' });
        const { role, alarm, held } = await place.status();
        assert.deepEqual({ role, alarm, held }, { role: 'follower', alarm: undefined, held: false });
        assert.ok(seen.every((one) => isBy(theirs, one)));

        keepalived.daemon.signal('SIGTERM');
        await keepalived.daemon.ended;
        await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
        assert.equal((await place.status()).because, 'master-resigned');
        const farewell = seen.find((one) => one.priority === 0);
        const first = seen.find((one) => isBy(ours, one));
        assert.ok(farewell !== undefined && first !== undefined);
        const waited = first.at - farewell.at;
        assert.ok(waited > skew(100) - 20 && waited < skew(100) + 200, `${waited} ms, skew ${skew(100)} ms`);

        const again = await place.startTheirs();
        await until(() => place.holds(theirs), { what: 'keepalived to preempt' });
        await until(async () => !(await place.holds(ours)), { what: 'vipd to yield' });

        // A dead host: its cable too, since its kernel would still answer for the address.
        await theirs.linkDown();
        again.daemon.signal('SIGKILL');
        await until(() => place.holds(ours), { what: 'vipd to take over' });
        const last = seen.filter((one) => isBy(theirs, one)).at(-1);
        const successor = seen.find((one) => isBy(ours, one) && one.at > (last?.at ?? 0));
        const silence = (successor?.at ?? 0) - (last?.at ?? 0);
        assert.ok(silence > down(100) - 20 && silence < down(100) + 300, `${silence} ms, down ${down(100)} ms`);
        assert.deepEqual(await again.complaints(), []);
      });
    });
  }
});
