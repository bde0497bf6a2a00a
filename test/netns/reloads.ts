import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askReload, askStatus } from '../../src/admin/client.js';
import { startClient } from '../../src/lab/client.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork } from '../../src/lab/network.js';
import type { Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { until } from './poll.js';

import { program } from './program.js';

export interface ReloadsOptions {
  readonly mode: string;
  readonly whenBackendDown: 'close' | 'keep';
  readonly reloads: number;
  /** Milliseconds: from one reload to the next at least, between two connections, until one counts as failed. */
  readonly reloadEvery: number;
  readonly connectEvery: number;
  readonly timeout: number;
  readonly patience: number;
  /** More of the VIP's settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Reloads {
  readonly connects: number;
  /** What became of those that failed, and how often. */
  readonly failed: Readonly<Record<string, number>>;
  /** The longest that a connect took, in milliseconds. */
  readonly longest: number;
  /** How the connections ended that were open all the while to a backend that always stayed. */
  readonly held: readonly (string | undefined)[];
}

const vip = '10.77.0.100' as Ip;
const port = 8080;
const first = 9000;
const servers = 4;

/**
 * A load-balancer host whose backends change with each reload (one stays, two of the three others come and go), and a client that
 * connects all the time.
 */
export async function sufferReloads(name: string, options: ReloadsOptions): Promise<Reloads> {
  const { patience } = options;
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork(name, process.pid);
  try {
    const [host, backends, clientHost] = await Promise.all([
      network.addHost('lb1', '10.77.0.11/24'),
      network.addHost('web', '10.77.0.21/24'),
      network.addHost('client', '10.77.0.50/24'),
    ]);
    // Who is connected says nothing; who says something gets it back.
    const serve = `for (let i = 0; i < ${servers}; i++) require('net').createServer((s) => { s.on('error', () => {}); s.pipe(s); }).listen(${first} + i, '0.0.0.0')`;
    backends.spawn(program.node, ['-e', serve], { stdio: 'inherit' });
    const file = join(folder, 'vipd.yaml');
    const socket = join(folder, 'vipd.sock');
    await writeFile(file, configuration(options, socket, 0));
    const start = ['start', '--config', file];
    await startDaemon(host, program.node, [program.script, ...start], join(folder, 'log'));
    await until(
      async () => {
        const answer = await askStatus(socket);
        const [status] = answer.ok ? answer.status.vips : [];
        return status?.held && status.loadBalancer.backends.every(({ state }) => state === 'up');
      },
      { within: patience, what: 'the VIP with its backends' },
    );
    const hold = `const net = require('net'); let ends = []; const sockets = Array.from({ length: 30 }, () => net.connect(${port}, '${vip}'));
      let connected = 0; for (const s of sockets) { s.on('connect', () => { if (++connected === 30) console.log('held'); }); s.on('error', (e) => ends.push(e.code)); s.on('end', () => ends.push('end')); }
      process.stdin.on('data', () => { console.log(JSON.stringify({ ends, from: sockets.length })); });`;
    const holder = clientHost.spawn(program.node, ['-e', hold], { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    holder.stdout?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    await until(() => said.includes('held'), { within: patience, what: 'connections that are held' });

    const client = startClient(clientHost, program);
    const every = millis(options.connectEvery);
    const probe = client.probe({ ip: vip, port, kind: 'connect', every, timeout: millis(options.timeout) });
    await until(() => probe.results.length > 0, { within: patience, what: 'a first connect' });
    for (let turn = 1; turn <= options.reloads; turn++) {
      const began = performance.now();
      await writeFile(`${file}.new`, configuration(options, socket, turn));
      await rename(`${file}.new`, file);
      const reply = await askReload(socket);
      assert.ok(reply.ok && reply.answer.ok && reply.answer.changes.length > 0, JSON.stringify(reply));
      await until(() => performance.now() - began >= options.reloadEvery, {
        within: patience,
        every: 1,
        what: 'the beat',
      });
    }
    const results = await probe.stop();
    holder.stdin?.write('?');
    await until(() => said.includes('ends'), { within: patience, what: 'what became of the held connections' });
    const failed: Record<string, number> = {};
    for (const { outcome } of results) if (outcome !== 'ok') failed[outcome] = (failed[outcome] ?? 0) + 1;
    const longest = Math.max(...results.map(({ took }) => took));
    const held = JSON.parse(said.slice(said.indexOf('{'))).ends as string[];
    return { connects: results.length, failed, longest: Math.round(longest), held };
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

/** With another set of backends and other weights for each turn; every port of the servers but the first comes and goes. */
function configuration({ mode, whenBackendDown, settings }: ReloadsOptions, socket: string, turn: number): string {
  const comers = [1, 2, 3].filter((number) => number !== 1 + (turn % 3));
  const list = [0, ...comers].map((number) => ({
    name: `web${number}`,
    address: `10.77.0.21:${first + number}`,
    weight: 1 + ((turn + number) % 4),
  }));
  const loadBalancer = {
    mode,
    whenBackendDown,
    ports: [port],
    backends: { from: 'static', servers: list },
  };
  const vips = [{ name: 'web', addresses: [vip], election: { type: 'none' }, loadBalancer, ...settings }];
  return JSON.stringify({ node: { name: 'lb1' }, vips, metrics: { listen: 'off' }, admin: { socket } });
}
