import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askStatus } from '../../src/admin/client.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host, type Network } from '../../src/lab/network.js';
import { type Family, familyOf, type Ip } from '../../src/net/ip.js';
import { decodeIpPacket } from '../../src/net/ip-packet.js';
import { millis } from '../../src/time/instant.js';
import type { VipStatus } from '../../src/vip/status.js';
import { downInterval, skewTime } from '../../src/vrrp/config.js';
import { type ChecksumForm, decodeAdvertisement } from '../../src/vrrp/packet.js';
import { captureFrames } from './frame-capture.js';
import { type HeldAddresses, heldAddresses } from './held-addresses.js';
import { type KeepalivedSettings, startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';

/** How the routers of a LAN speak: what they must agree on. */
export interface Speech {
  readonly version: 2 | 3;
  readonly families: readonly Family[];
  /** Milliseconds. */
  readonly interval: number;
  readonly isUnicast: boolean;
  readonly authPass?: string;
}

/** v2 is for IPv4. It counts in seconds; so v3, which need not, is what most is shown by. */
export const speeches: readonly Speech[] = [
  { version: 2, families: [4], interval: 1000, isUnicast: false, authPass: '1111' },
  { version: 2, families: [4], interval: 1000, isUnicast: true },
  { version: 3, families: [4], interval: 100, isUnicast: false },
  { version: 3, families: [4], interval: 100, isUnicast: true },
  { version: 3, families: [6], interval: 100, isUnicast: false },
  { version: 3, families: [6], interval: 100, isUnicast: true },
];

export function titleOf({ version, families, isUnicast, interval, authPass }: Speech): string {
  const kind = `${isUnicast ? 'unicast' : 'multicast'}${authPass === undefined ? '' : ', PASS'}`;
  return `v${version}, ${families.map((family) => `IPv${family}`).join(' and ')}, ${kind}, ${interval} ms`;
}

/** How long is waited for what comes when it comes: daemons start slowly on a busy machine. How soon it came is asserted elsewhere. */
export function patiently(what: string) {
  return { within: 30_000, what };
}

export type Maker = 'vipd' | 'keepalived';

export interface RouterSettings {
  readonly by: Maker;
  readonly priority: number;
  readonly preempt?: boolean;
  /** Milliseconds. */
  readonly preemptDelay?: number;
  /** vipd only. */
  readonly checksum?: ChecksumForm;
}

/** An advertisement as it left its host; `at` by the wall clock, in milliseconds since 1970. */
export interface Sent {
  readonly at: number;
  readonly by: Host;
  readonly family: Family;
  readonly priority: number;
}

export interface Router {
  readonly host: Host;
  readonly by: Maker;
  readonly priority: number;
  /** How long it waits when nobody speaks, and when somebody resigns; milliseconds. */
  readonly down: number;
  readonly skew: number;
  start(): Promise<void>;
  /** In order, with a farewell. */
  stop(): Promise<void>;
  /** Killed without a word, and the cable cut: its kernel would still answer for the address. */
  die(): Promise<void>;
  /** What a dead host does that is switched on again. */
  boot(): Promise<void>;
  /** Whether it has all the addresses. */
  leads(): boolean;
  hasNone(): boolean;
  /** Whether it has heard another and is backup. */
  follows(): Promise<boolean>;
  /** What it has sent. */
  sent(): readonly Sent[];
  /** When it sent its next one after that, and its next one of priority 0. */
  firstSent(after: number): Promise<number>;
  farewell(after: number): Promise<number>;
  /** What it says about advertisements that it refuses. */
  complaints(): Promise<readonly string[]>;
  /** vipd only. */
  status(): Promise<VipStatus | undefined>;
}

/** That a router did something after its time and not much later; our clocks may see it a little earlier. Milliseconds. */
export function assertSoon(waited: number, time: number): void {
  assert.ok(waited > time - 20 && waited < time + 300, `${waited} ms instead of ${time} ms`);
}

/** That no two had an address for longer than it takes to hear the other, one advertisement; a busy machine gets 100 ms. */
export function assertOneAtATime(lan: VrrpLan, since = 0): void {
  const overlap = lan.longestOverlap(since);
  assert.ok(overlap < lan.interval + 100, `on two hosts for ${overlap} ms`);
}

/**
 * Stops the leader: the next one leads, alone. keepalived says farewell, and its successor comes after his skew time. vipd serves
 * with the lowest priority until it is relieved, which is when the successor's timer runs out.
 */
export async function handOver(lan: VrrpLan, leader: Router, next: Router): Promise<void> {
  const since = Date.now();
  await leader.stop();
  await until(() => next.leads() && leader.hasNone(), patiently(`${next.host.name} to take over`));
  if (leader.by === 'keepalived') {
    const farewell = await leader.farewell(since);
    assertSoon((await next.firstSent(farewell)) - farewell, next.skew);
    assert.equal(lan.longestOverlap(since), 0);
  } else {
    const first = await next.firstSent(since);
    const last = leader.sent().findLast(({ priority }) => priority === leader.priority);
    assertSoon(first - (last?.at ?? 0), next.down);
    assertOneAtATime(lan, since);
  }
}

export interface VrrpLan {
  /** Milliseconds. */
  readonly interval: number;
  readonly vips: readonly Ip[];
  readonly routers: readonly Router[];
  readonly sent: readonly Sent[];
  readonly held: HeldAddresses;
  /** Of all the addresses. */
  longestOverlap(since?: number): number;
  /** Whether the routers hear each other; their links stay up in any case. */
  part(apart: boolean): Promise<void>;
  /** Five advertisements of this router, and from nobody else one: nobody would wait so long who did not accept them. */
  isAccepted(leader: Router): Promise<void>;
  /** Nobody refused anything. */
  allComplaints(): Promise<readonly string[]>;
}

const vipOf = { 4: '10.77.0.100' as Ip, 6: 'fd77::100' as Ip } as const;

/** One LAN with these routers: the first is 10.77.0.11, the next 10.77.0.12. None is started. */
export async function withVrrpLan(
  speech: Speech,
  settings: readonly RouterSettings[],
  use: (lan: VrrpLan) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('vrrp', process.pid);
  try {
    const lan = await createLan(network, folder, speech, settings);
    try {
      await use(lan);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${await transcript(lan, folder)}`, {
        cause: error,
      });
    }
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What was said and logged, for who reads of a failure. */
async function transcript({ routers, sent }: VrrpLan, folder: string): Promise<string> {
  const time = (at: number) => new Date(at).toISOString().slice(11, 23);
  const isAsBefore = (one: Sent, i: number) => {
    const before = sent.slice(0, i).findLast(({ by, family }) => by === one.by && family === one.family);
    return before?.priority === one.priority && sent[i - 1]?.by === one.by && one.at - before.at < 5000;
  };
  const said = sent.flatMap((one, i) =>
    isAsBefore(one, i) && isAsBefore(sent[i + 1] ?? one, i + 1)
      ? []
      : `${time(one.at)} ${one.by.name} advertises ${one.priority} (IPv${one.family})`,
  );
  const logs = await Promise.all(
    routers.map(async ({ host, by }) => {
      const text = await readFile(join(folder, `${host.name}.log`), 'utf8').catch(() => '');
      return `--- ${by} on ${host.name}\n${text.split('\n').slice(-40).join('\n')}`;
    }),
  );
  return [...said.slice(-60), ...logs].join('\n');
}

async function createLan(
  network: Network,
  folder: string,
  speech: Speech,
  settings: readonly RouterSettings[],
): Promise<VrrpLan> {
  const vips = speech.families.map((family) => vipOf[family]);
  const hosts = await Promise.all(
    settings.map((_, i) => network.addHost(`lb${i + 1}`, `10.77.0.${11 + i}/24`, `fd77::${11 + i}/64`)),
  );
  const held = heldAddresses();
  const sent: Sent[] = [];
  // Each as its sender sees it: a capture on all hosts would see multicast more than once.
  await Promise.all(hosts.flatMap((host) => [held.watch(host), captureSent(host, (one) => sent.push(one))]));
  const routers = settings.map((each, i) =>
    createRouter({ folder, speech, vips, held, sent, settings: each, host: hosts[i] as Host, hosts }),
  );
  return {
    interval: speech.interval,
    vips,
    routers,
    sent,
    held,
    longestOverlap: (since = 0) => Math.max(...vips.map((ip) => held.longestOverlap(ip, since))),
    async part(apart) {
      for (const host of hosts) {
        const isolated = ['isolated', apart ? 'on' : 'off'];
        await network.switch.run('ip', ['link', 'set', 'dev', host.name, 'type', 'bridge_slave', ...isolated]);
      }
    },
    async isAccepted(leader) {
      const since = sent.length;
      const ofLeader = () => sent.slice(since).filter(({ by }) => by === leader.host).length;
      const families = speech.version === 2 ? 1 : speech.families.length;
      await until(() => ofLeader() > 5 * families, patiently(`advertisements of ${leader.host.name}`));
      const others = sent.slice(since).filter(({ by }) => by !== leader.host);
      if (others.length > 0) throw new Error(`${others[0]?.by.name} advertises beside ${leader.host.name}`);
    },
    allComplaints: async () => (await Promise.all(routers.map((router) => router.complaints()))).flat(),
  };
}

function captureSent(host: Host, onSent: (sent: Sent) => void): Promise<void> {
  return captureFrames(host, `ether src ${host.mac} and (proto 112 or ip6 proto 112)`, (at, frame) => {
    const packet = decodeIpPacket(frame.payload);
    if (!packet.ok) return;
    const message = decodeAdvertisement(packet.value);
    if (!message.ok) return;
    onSent({ at, by: host, family: familyOf(packet.value.source), priority: message.value.priority });
  });
}

interface RouterParts {
  readonly folder: string;
  readonly speech: Speech;
  readonly vips: readonly Ip[];
  readonly held: HeldAddresses;
  readonly sent: readonly Sent[];
  readonly settings: RouterSettings;
  readonly host: Host;
  readonly hosts: readonly Host[];
}

/** A program that runs on a host. */
interface Running {
  stop(): Promise<unknown>;
  kill(): Promise<unknown>;
  follows(): Promise<boolean>;
  complaints(): Promise<readonly string[]>;
}

function createRouter(parts: RouterParts): Router {
  const { speech, vips, held, sent, settings, host } = parts;
  const { by, priority } = settings;
  const interval = millis(speech.interval);
  let running: Running | undefined;
  const start = async () => {
    running = by === 'vipd' ? await startVipd(parts) : await startTheirs(parts);
  };
  // The capture may tell of it later than the kernel of the address.
  const firstOf = async (after: number, isWanted: (sent: Sent) => boolean) => {
    const find = () => sent.find((one) => one.by === host && one.at > after && isWanted(one));
    return (await until(find, patiently(`an advertisement of ${host.name}`))).at;
  };
  return {
    host,
    by,
    priority,
    down: downInterval(speech.version, priority, interval),
    skew: skewTime(speech.version, priority, interval),
    start,
    async stop() {
      await running?.stop();
    },
    async die() {
      await running?.kill();
      await host.linkDown();
      held.forget(host);
    },
    async boot() {
      // A kernel that starts has no addresses but the configured ones; keepalived's are for ever.
      for (const ip of vips) {
        const has = (await host.addresses()).some((address) => address.ip === ip);
        if (has) await host.run('ip', ['address', 'delete', `${ip}/${familyOf(ip) === 4 ? 32 : 128}`, 'dev', 'eth0']);
      }
      held.forget(host);
      await host.linkUp();
      await start();
    },
    leads: () => vips.every((ip) => held.holds(host, ip)),
    hasNone: () => !vips.some((ip) => held.holds(host, ip)),
    follows: async () => (await running?.follows()) ?? false,
    sent: () => sent.filter((one) => one.by === host),
    firstSent: (after) => firstOf(after, ({ priority }) => priority > 0),
    farewell: (after) => firstOf(after, ({ priority }) => priority === 0),
    complaints: async () => (await running?.complaints()) ?? [],
    status: () => statusOf(parts),
  };
}

const socketOf = ({ folder, host }: RouterParts) => join(folder, `${host.name}.sock`);

async function statusOf(parts: RouterParts): Promise<VipStatus | undefined> {
  const answer = await askStatus(socketOf(parts));
  return answer.ok ? answer.status.vips[0] : undefined;
}

/** Where a router sends from, and to whom. */
function unicastOf({ speech, host, hosts }: RouterParts): {
  readonly sources: readonly Ip[];
  readonly peers: readonly Ip[];
} {
  const spoken = (ip: Ip) => speech.families.includes(familyOf(ip));
  return {
    sources: host.ips.filter(spoken),
    peers: hosts.flatMap((other) => (other === host ? [] : other.ips.filter(spoken))),
  };
}

async function startVipd(parts: RouterParts): Promise<Running> {
  const { folder, speech, vips, settings, host } = parts;
  const { version, interval, isUnicast, authPass = '' } = speech;
  const { priority, preempt = true, preemptDelay = 0, checksum = 'keepalived' } = settings;
  const { sources, peers } = unicastOf(parts);
  const config = join(folder, `${host.name}.yaml`);
  const vrrp = {
    ...{
      version,
      priority,
      authPass,
      preempt,
      advertInterval: `${interval}ms`,
      preemptDelay: `${preemptDelay}ms`,
      checksum,
    },
    ...(isUnicast ? { unicastSource: sources[0], unicastPeers: peers } : {}),
  };
  const vip = {
    ...{ name: 'web', addresses: vips, interface: 'eth0' },
    ...{ election: { type: 'vrrp', vrrp }, loadBalancer: { mode: 'off' } },
  };
  const rest = { metrics: { listen: 'off' }, admin: { socket: socketOf(parts) }, log: { format: 'text' } };
  await writeFile(config, JSON.stringify({ node: { name: host.name }, vips: [vip], ...rest }));
  const log = join(folder, `${host.name}.log`);
  const daemon = await startDaemon(host, program.node, [program.script, 'start', '--config', config], log);
  const end = (signal: NodeJS.Signals) => {
    daemon.signal(signal);
    return daemon.ended;
  };
  return {
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async follows() {
      const status = await statusOf(parts);
      const reasons = ['held-by-other', 'higher-priority-heard', 'tie-lost'];
      return status?.role === 'follower' && reasons.includes(status.because);
    },
    complaints: async () => (await readFile(log, 'utf8')).split('\n').filter((line) => / (WARN|ERROR) /.test(line)),
  };
}

async function startTheirs(parts: RouterParts): Promise<Running> {
  const { folder, speech, vips, settings, host } = parts;
  const { version, interval, isUnicast, authPass } = speech;
  const { priority, preempt = true, preemptDelay = 0 } = settings;
  const whole: KeepalivedSettings = {
    ...{ version, priority, vips, advertInterval: interval / 1000 },
    ...(authPass === undefined ? {} : { authPass }),
    ...(isUnicast ? { unicast: unicastOf(parts) } : {}),
    more: [...(preempt ? [] : ['nopreempt']), ...(preemptDelay === 0 ? [] : [`preempt_delay ${preemptDelay / 1000}`])],
  };
  const { daemon, states, complaints, kill } = await startKeepalived(host, folder, host.name, whole);
  return {
    stop() {
      daemon.signal('SIGTERM');
      return daemon.ended;
    },
    kill,
    follows: async () => (await states()).at(-1) === 'BACKUP',
    complaints,
  };
}
