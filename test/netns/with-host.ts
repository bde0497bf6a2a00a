import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askStatus } from '../../src/admin/client.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import type { DaemonStatus } from '../../src/vip/status.js';
import { until } from './poll.js';
import { program } from './program.js';

export const vip = '10.77.0.100';

export interface Place {
  readonly host: Host;
  readonly client: Host;
  /** Writes a configuration with this one VIP, election none unless said otherwise, and returns its path. */
  configure(vipKeys?: object, name?: string): Promise<string>;
  /** The same with these VIPs as they are. */
  configureVips(vips: readonly object[], name?: string): Promise<string>;
  start(config: string, wrap?: readonly string[]): Promise<Daemon>;
  status(name?: string): Promise<DaemonStatus>;
}

/** A VIP with one backend, which is on the host itself. */
export const web = {
  name: 'web',
  addresses: [vip],
  election: { type: 'none' },
  loadBalancer: { ports: [8080], backends: { from: 'static', servers: [{ name: 'a', address: '10.77.0.11:9000' }] } },
};

/** One load-balancer host and one client. */
export async function withHost(name: string, use: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork(name, process.pid);
  try {
    const [host, client] = await Promise.all([
      network.addHost('lb1', '10.77.0.11/24'),
      network.addHost('client', '10.77.0.50/24'),
    ]);
    let started = 0;
    async function configureVips(vips: readonly object[], config = 'vipd') {
      const file = join(folder, `${config}.yaml`);
      const rest = { metrics: { listen: 'off' }, admin: { socket: join(folder, `${config}.sock`) } };
      await writeFile(file, JSON.stringify({ node: { name: 'lb1' }, vips, ...rest, log: { format: 'text' } }));
      return file;
    }
    await use({
      host,
      client,
      configure: (vipKeys = {}, config = 'vipd') => configureVips([{ ...web, ...vipKeys }], config),
      configureVips,
      start: (config, wrap = []) => {
        const [command, ...args] = [...wrap, program.node, program.script, 'start', '--config', config];
        return startDaemon(host, command as string, args, join(folder, `${++started}.log`));
      },
      status: (config = 'vipd') =>
        until(
          async () => {
            const answer = await askStatus(join(folder, `${config}.sock`));
            return answer.ok ? answer.status : undefined;
          },
          { what: 'an answer of vipd' },
        ),
    });
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A server that answers every connection with its name. */
export function serve(host: Host, address: string, port: number, name: string) {
  const script = `require('net').createServer((s) => { s.on('error', () => {}); s.end('${name}') }).listen(${port}, '${address}', () => console.log('up'))`;
  const child = host.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()));
}

export async function ask(from: Host, port: number): Promise<string> {
  const script = `require('net').connect(${port}, '${vip}').on('data', (d) => process.stdout.write(d)).on('error', (e) => process.stdout.write(e.code))`;
  return from.run(process.execPath, ['-e', script]);
}
