import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Daemon, startDaemon } from '../../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../../src/lab/network.js';
import { until } from '../../../test/netns/poll.js';
import { program } from '../../../test/netns/program.js';
import { type Agent, startAgent } from '../agent.js';
import type { ClientDeeds } from './client-process.js';
import { connectTimeout, hosts, type Vip, vipPort, vips } from './places.js';
import type { ServerDeeds } from './server-process.js';

export type Client = Agent<ClientDeeds>;
export type Server = Agent<ServerDeeds>;

/** A whole vipd between clients and backends, each a host of its own on one switch. */
export interface Bed extends AsyncDisposable {
  readonly vipd: { readonly host: Host; readonly daemon: Daemon };
  readonly client: { readonly host: Host; readonly agent: Client };
  readonly witness: { readonly host: Host; readonly agent: Client };
  readonly server: { readonly host: Host; readonly agent: Server };
  readonly mortal: { readonly host: Host; agent: Server };
  /** Starts vipd with so many descriptors on a host, with a VIP of its own. */
  startTight(descriptors: number): Promise<{ readonly host: Host; readonly daemon: Daemon }>;
  startServer(host: Host): Promise<Server>;
  startClient(host: Host): Promise<Client>;
  /** How connections through a VIP ended so far, by the relay's two letters; and `open` and `total`. */
  counted(vip: Vip): Promise<Readonly<Record<string, number>>>;
}

export function at(vip: Vip): { readonly host: string; readonly port: number } {
  return { host: vips[vip].host, port: vipPort };
}

export async function createBed(folder: string): Promise<Bed> {
  const network = await createNetwork('manners', process.pid);
  const script = (name: string) => join(import.meta.dirname, `${name}-process.js`);
  const startServer = (host: Host) => startAgent<ServerDeeds>(host, script('server'));
  const startClient = (host: Host) => startAgent<ClientDeeds>(host, script('client'));

  async function addHost(name: keyof typeof hosts): Promise<Host> {
    const host = await network.addHost(name, `${hosts[name]}/24`);
    // Queues that bear thousands who come at once.
    const settings = ['net/core/somaxconn', 'net/ipv4/tcp_max_syn_backlog'];
    await host.run('sh', ['-ec', settings.map((file) => `echo 8192 > /proc/sys/${file}`).join('\n')]);
    return host;
  }

  async function startVipd(host: Host, which: readonly Vip[], descriptors: number): Promise<Daemon> {
    const own = join(folder, host.name);
    const config = {
      node: { name: host.name },
      proxy: { threads: 2 },
      metrics: { listen: `${host.ip}:2112` },
      admin: { socket: `${own}.sock` },
      vips: which.map((name) => ({
        name,
        addresses: [vips[name].host],
        election: { type: 'none' },
        loadBalancer: {
          mode: 'proxy',
          ports: [vipPort],
          connectTimeout: `${connectTimeout}ms`,
          backends: {
            from: 'static',
            servers: [{ name: 'one', address: `${hosts[vips[name].server]}:${vips[name].port}` }],
          },
          // What is found here is found by the relay itself.
          healthCheck: { type: 'tcp', interval: '600s' },
        },
      })),
    };
    await writeFile(`${own}.yaml`, JSON.stringify(config));
    const words = [`--nofile=${descriptors}:${descriptors}`, '--', program.node, program.script, 'start', '--config'];
    return startDaemon(host, 'prlimit', [...words, `${own}.yaml`], `${own}.log`);
  }

  try {
    const [server, mortal, client, witness, vipd] = [
      await addHost('server'),
      await addHost('mortal'),
      await addHost('client'),
      await addHost('witness'),
      await addHost('vipd'),
    ];
    const agents = {
      server: await startServer(server),
      mortal: await startServer(mortal),
      client: await startClient(client),
      witness: await startClient(witness),
    };
    const all = (Object.keys(vips) as Vip[]).filter((name) => name !== 'tight');
    const daemon = await startVipd(vipd, all, 20_000);
    for (const vip of all) await until(() => agents.witness.ask('isServed', at(vip)), { what: `the VIP ${vip}` });
    return {
      vipd: { host: vipd, daemon },
      client: { host: client, agent: agents.client },
      witness: { host: witness, agent: agents.witness },
      server: { host: server, agent: agents.server },
      mortal: { host: mortal, agent: agents.mortal },
      async startTight(descriptors) {
        const host = await addHost('tight');
        const tight = await startVipd(host, ['tight'], descriptors);
        await until(() => agents.witness.ask('isServed', at('tight')), { what: 'the VIP of the other vipd' });
        return { host, daemon: tight };
      },
      startServer,
      startClient,
      async counted(vip) {
        const page = await witness.run('curl', ['-sf', '--max-time', '5', `http://${vipd.ip}:2112/metrics`]);
        const counts: Record<string, number> = {};
        for (const [, code = '', value] of page.matchAll(
          new RegExp(`^vipd_connections_ended_total\\{vip="${vip}",code="(..)"\\} (\\d+)$`, 'gm'),
        ))
          counts[code] = Number(value);
        const of = (name: string) =>
          Number(new RegExp(`^${name}\\{vip="${vip}",backend="one"\\} (\\d+)$`, 'm').exec(page)?.[1] ?? 0);
        return { ...counts, open: of('vipd_connections_open'), total: of('vipd_connections_total') };
      },
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}
