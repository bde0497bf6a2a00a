import type { Clock } from '../time/clock.js';
import { type Millis, millis } from '../time/instant.js';
import type { DaemonStatus } from '../vip/status.js';
import { longestOverlap } from './address-watch.js';
import type { Probe, Program } from './client.js';
import { type Cluster, type ClusterNode, vip, vipPort } from './cluster.js';
import { lastAnswerOf, longestGap, tally } from './measure.js';
import type { ProbeOrder, ProbeResult } from './probe.js';
import type { Finding } from './report.js';
import { until as untilOnClock } from './until.js';

/** What a step has at hand. */
export interface Stage {
  readonly cluster: Cluster;
  readonly program: Program;
  readonly clock: Clock;
  /** The nodes on which a vipd is started. */
  readonly staffed: readonly ClusterNode[];
  readonly timings: { readonly leaseDuration: Millis; readonly deadManSwitch: Millis };
  /** Says what is done now. */
  say(text: string): void;
}

/** A part of the story. It throws an Error when what it waits for does not come. */
export interface Step {
  readonly name: string;
  readonly title: string;
  run(stage: Stage): Promise<readonly Finding[]>;
}

/** The lab's story, in its order. */
export const steps: readonly Step[] = [
  { name: 'start', title: 'Three control-plane nodes start; the Lease is free', run: start },
  { name: 'balance', title: '300 requests through the VIP', run: balance },
  { name: 'node deleted', title: 'A control-plane node is deleted', run: deleteNode },
  { name: 'node added', title: 'It is added again', run: addNode },
  { name: 'worker added', title: 'A worker is added', run: addWorker },
  { name: 'leader killed', title: 'The leader loses its power', run: killLeader },
  { name: 'node back', title: 'The power comes back', run: reviveNode },
  { name: 'hand-over', title: 'A planned hand-over: the leader is told to stop', run: handOver },
];

const connectEvery2ms = { kind: 'connect', every: millis(2), timeout: millis(200) } as const;
const requestEvery10ms = { kind: 'request', every: millis(10), timeout: millis(2000) } as const;

async function start(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, staffed } = stage;
  const began = Date.now();
  await Promise.all(staffed.map((node) => node.startVipd()));
  const leader = await cluster.holder(15_000);
  const took = (leader.address.events.at(0)?.at ?? Date.now()) - began;
  const first = within('start to address', took, 3000);
  const names = staffed.map((node) => node.name);
  stage.say(`vipd status --json on ${names.join(', ')}`);
  const statuses = await until(stage, 15_000, `every vipd to name ${leader.name} as the leader`, async () => {
    const answers = await Promise.all(staffed.map((node) => askCommand(stage, node)));
    return answers.every((answer) => answer.vips[0]?.leader === leader.name) && answers;
  });
  const leading = statuses.filter((status) => status.vips[0]?.role === 'leader').map((status) => status.node);
  const holders = cluster.holders().map((node) => node.name);
  return [
    first,
    { ok: same(leading, [leader.name]), what: 'who leads, says each vipd', figure: list(leading) },
    { ok: same(holders, [leader.name]), what: `who has ${vip}, say the kernels`, figure: list(holders) },
  ];
}

async function balance(stage: Stage): Promise<readonly Finding[]> {
  const { cluster } = stage;
  const leader = await cluster.holder(1000);
  await until(stage, 20_000, 'every backend to be up', async () => {
    const backends = (await leader.status())?.vips[0]?.loadBalancer.backends ?? [];
    return backends.length === cluster.nodes.length && backends.every((backend) => backend.state === 'up');
  });
  const results = await probe(stage, { ...requestEvery10ms, count: 300 }).ended;
  const counts = tally(results);
  const shares = cluster.nodes.map(({ name }) => ({ name, count: counts.get(name) ?? 0 }));
  const fair = 300 / cluster.nodes.length;
  return [
    {
      ok: shares.every(({ count }) => Math.abs(count - fair) <= 3),
      what: 'answers',
      figure: shares.map(({ name, count }) => `${name} ${count}`).join(', '),
      limit: `${fair} ± 3 each`,
    },
    { ok: failures(results) === 0, what: 'failed', figure: `${failures(results)} of 300`, limit: 'none' },
  ];
}

async function deleteNode(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, say } = stage;
  const { name } = follower(cluster);
  const requests = probe(stage, requestEvery10ms);
  await until(stage, 5000, `an answer of ${name}`, () => lastAnswerOf(name, requests.results) !== undefined);
  say(`kubectl delete node ${name}`);
  const deleted = Date.now();
  await cluster.administrator.deleteNode(name);
  await until(stage, 10_000, `100 answers in a row without ${name}`, () => {
    const { results } = requests;
    return results.length >= 100 && lastAnswerOf(name, results.slice(-100)) === undefined;
  });
  const took = Math.max(0, (lastAnswerOf(name, await requests.stop()) ?? deleted) - deleted);
  return [within(`last request to ${name}`, took, 1000)];
}

async function addNode(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, say } = stage;
  const { name, host } = follower(cluster);
  const requests = probe(stage, requestEvery10ms);
  say(`${name} registers itself`);
  const added = Date.now();
  await cluster.administrator.addNode({ name, ips: host.ips, controlPlane: true });
  await until(stage, 20_000, `an answer of ${name}`, () => lastAnswerOf(name, requests.results) !== undefined);
  const answers = (await requests.stop()).filter((result) => result.backend === name);
  return [within(`first request to ${name}`, Math.min(...answers.map((result) => result.at)) - added, 10_000)];
}

async function addWorker(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, say } = stage;
  const worker = await cluster.network.addHost('w1', '10.77.0.21/24');
  // It would answer if it were asked: only the pool keeps requests away from it.
  await cluster.api.startServer(worker);
  await until(stage, 60_000, 'the server on w1', () => cluster.administrator.isReady(worker.ip));
  say('w1 registers itself, without the label node-role.kubernetes.io/control-plane');
  await cluster.administrator.addNode({ name: 'w1', ips: worker.ips, controlPlane: false });
  const results = await probe(stage, { ...requestEvery10ms, count: 300 }).ended;
  const count = tally(results).get('w1') ?? 0;
  const status = await (await cluster.holder(1000)).status();
  const backends = (status?.vips[0]?.loadBalancer.backends ?? []).map((backend) => backend.name).sort();
  const wanted = cluster.nodes.map((node) => node.name);
  return [
    { ok: count === 0, what: 'requests to w1', figure: `${count} of 300`, limit: 'none' },
    { ok: same(backends, wanted), what: 'backends', figure: list(backends) },
  ];
}

async function killLeader(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, timings, say } = stage;
  const leader = await cluster.holder(1000);
  const connects = probe(stage, connectEvery2ms);
  const requests = probe(stage, { ...requestEvery10ms, every: millis(50), timeout: millis(3000) });
  await until(stage, 5000, 'connections through the VIP', () => successesSince(connects, 0) >= 100);
  say(`SIGKILL to vipd and API server on ${leader.name}, and its cable is pulled; the client connects every 2 ms`);
  const killed = await leader.kill();
  const { successor, taken } = await succession(stage, leader, killed);
  await until(stage, 10_000, 'connections after the change', () => successesSince(connects, taken) >= 200);
  await until(stage, 10_000, 'requests after the change', () => successesSince(requests, taken) >= 10);
  const removed = await until(stage, 10_000, `the end of the address on ${leader.name}`, () => {
    const at = leader.address.removedAt();
    return at !== undefined && at > killed ? at : undefined;
  });
  const ended = Date.now();
  const [outage, silence] = [await connects.stop(), await requests.stop()].map(
    (results) => longestGap(results, killed, ended).length,
  );
  const overlap = longestOverlap(cluster.nodes.map((node) => node.address.tenures(ended)));
  const limit = timings.leaseDuration + 500;
  return [
    { ok: true, what: 'who leads now', figure: successor.name },
    within('outage, connections', outage ?? ended, limit),
    // A request that is given to the dead node waits for the connect timeout of 1 s and goes to the next.
    within('outage, whole requests', silence ?? ended, limit + 1000),
    within(`address gone from the dead ${leader.name}`, removed - killed, timings.deadManSwitch + 200),
    {
      ok: overlap === 0,
      what: 'two nodes with the address',
      figure: overlap === 0 ? 'never' : ms(overlap),
      limit: 'never',
    },
  ];
}

async function reviveNode(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, say } = stage;
  const dead = cluster.nodes.find((node) => node.vipd !== undefined && !node.vipd.running());
  if (dead === undefined) throw new Error('no node is dead');
  const { name } = dead;
  const leader = await cluster.holder(1000);
  const requests = probe(stage, { ...requestEvery10ms, every: millis(20) });
  say(`${name}: cable, API server and vipd`);
  const began = Date.now();
  await dead.revive();
  const role = await until(stage, 15_000, `${name} to know its role`, async () => {
    const status = (await dead.status())?.vips[0];
    return status?.leader === leader.name ? status.role : undefined;
  });
  await until(stage, 20_000, `an answer of ${name}`, () => (lastAnswerOf(name, requests.results) ?? 0) > began);
  const answers = (await requests.stop()).filter((result) => result.backend === name && result.at > began);
  const took = Math.min(...answers.map((result) => result.at)) - began;
  const moved = leader.address.events.some((event) => event.kind === 'removed' && event.at > began);
  return [
    { ok: role === 'follower', what: `role of ${name}`, figure: role },
    { ok: !moved, what: 'the address', figure: moved ? `left ${leader.name}` : `stayed on ${leader.name}` },
    within(`first request to ${name}`, took, 20_000),
  ];
}

async function handOver(stage: Stage): Promise<readonly Finding[]> {
  const { cluster, say } = stage;
  const leader = await cluster.holder(1000);
  const { vipd } = leader;
  if (vipd === undefined) throw new Error(`no vipd on ${leader.name}`);
  const connects = probe(stage, connectEvery2ms);
  await until(stage, 5000, 'connections through the VIP', () => successesSince(connects, 0) >= 100);
  say(`SIGTERM to vipd on ${leader.name}; the client connects every 2 ms`);
  const told = Date.now();
  vipd.signal('SIGTERM');
  const { successor, taken } = await succession(stage, leader, told);
  await until(stage, 10_000, 'connections after the change', () => successesSince(connects, taken) >= 200);
  await until(stage, 10_000, `the end of vipd on ${leader.name}`, () => !vipd.running());
  const { code, signal } = await vipd.ended;
  const ended = Date.now();
  const results = await connects.stop();
  await leader.startVipd();
  await until(stage, 10_000, `vipd on ${leader.name} to answer again`, () => leader.status());
  return [
    { ok: true, what: 'who leads now', figure: successor.name },
    within('outage, connections', longestGap(results, told, ended).length, 500),
    { ok: true, what: 'failed connections', figure: `${failures(results)} of ${results.length}` },
    {
      ok: code === 0,
      what: `vipd on ${leader.name} ended with`,
      figure: signal ?? `exit code ${code}`,
      limit: 'exit code 0',
    },
  ];
}

/** Waits until another node has the address; says which, and since when. */
function succession(stage: Stage, leader: ClusterNode, since: number) {
  return until(stage, 10_000, `another node that has ${vip}`, () => {
    const successor = stage.cluster.nodes.find((node) => node !== leader && node.address.held());
    const taken = successor?.address.events.findLast((event) => event.kind === 'put' && event.at > since)?.at;
    return successor !== undefined && taken !== undefined && { successor, taken };
  });
}

function probe({ cluster }: Stage, order: Omit<ProbeOrder, 'ip' | 'port'>): Probe {
  return cluster.client.probe({ ...order, ip: vip, port: vipPort });
}

async function askCommand({ program }: Stage, { host, adminSocket }: ClusterNode): Promise<DaemonStatus> {
  return JSON.parse(await host.run(program.node, [program.script, 'status', '--json', '--admin-socket', adminSocket]));
}

function until<T>({ clock }: Stage, within: number, what: string, condition: () => T | Promise<T>) {
  return untilOnClock(clock, condition, { within: millis(within), every: millis(20), what });
}

/** The last node that does not lead. */
function follower(cluster: Cluster): ClusterNode {
  const node = cluster.nodes.findLast((node) => !node.address.held());
  if (node === undefined) throw new Error('every node has the address');
  return node;
}

function successesSince(probe: Probe, from: number): number {
  return probe.results.filter((result) => result.outcome === 'ok' && result.at >= from).length;
}

function failures(results: readonly ProbeResult[]): number {
  return results.filter((result) => result.outcome !== 'ok').length;
}

function within(what: string, took: number, limit: number): Finding {
  return { ok: took < limit, what, figure: ms(took), limit: `< ${ms(limit)}` };
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, i) => text === other[i]);
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nobody' : names.join(', ');
}
