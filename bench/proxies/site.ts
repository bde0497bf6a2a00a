import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Namespace } from '../../src/lab/network.js';
import { until } from '../../test/netns/poll.js';

/** The servers' ports: HTTP for requests and connections, iperf3 for bulk. */
export const ports = { http: 8080, bulk: 5201 } as const;

/** What a contestant stands between: the client is behind one cable, the servers are behind the other. */
export interface Place {
  readonly namespace: Namespace;
  /** The namespace's own address on the client's cable, and others of that subnet that nobody has. */
  readonly front: string;
  readonly free: readonly [string, string];
  /** Where the servers are, on the ports above. */
  readonly back: string;
}

/** A client, servers, and cables between them that lead through nothing, or through one contestant's own namespace. */
export interface Site {
  readonly client: Namespace;
  /** Without a proxy: where the client reaches the servers. */
  readonly direct: string;
  /** A namespace of its own: what one contestant's kernel remembers slows no other. */
  addPlace(name: string): Promise<Place>;
}

/**
 * More ports and longer queues than usual, and no memory of closed connections: else new connections per second fall to a few hundred
 * after the first run.
 */
const settings: Readonly<Record<string, string>> = {
  'net/ipv4/tcp_max_tw_buckets': '0',
  'net/ipv4/ip_local_port_range': '1024 65000',
  'net/core/somaxconn': '8192',
  'net/ipv4/tcp_max_syn_backlog': '8192',
};

/** Builds it in namespaces named after `owner` and starts the servers. */
export async function createSite(owner: number, folder: string): Promise<Site & AsyncDisposable> {
  const network = await createNetwork('proxies', owner);
  try {
    let cables = 0;
    const client = await addQuiet('client');
    const servers = await addQuiet('servers');

    async function addQuiet(name: string): Promise<Namespace> {
      const namespace = await network.addNamespace(name);
      const lines = Object.entries(settings).map(([file, value]) => `echo "${value}" > /proc/sys/${file}`);
      await namespace.run('sh', ['-ec', ['ip link set lo up', ...lines].join('\n')]);
      return namespace;
    }

    /** Lays a cable, and returns the address at its far end. */
    async function lay(near: Namespace, far: Namespace): Promise<string> {
      const number = ++cables;
      const [one, two] = [`c${number}n`, `c${number}f`];
      await near.run('ip', ['link', 'add', one, 'type', 'veth', 'peer', 'name', two, 'netns', far.namespace]);
      for (const [end, device, last] of [
        [near, one, 1],
        [far, two, 2],
      ] as const) {
        await end.run('ip', ['address', 'add', `10.81.${number}.${last}/24`, 'dev', device]);
        await end.run('ip', ['link', 'set', device, 'up']);
      }
      return `10.81.${number}.2`;
    }

    const direct = await lay(client, servers);
    await startServers(servers, folder);
    await until(() => client.run('curl', ['-sf', `http://${direct}:${ports.http}/`]).catch(() => undefined), {
      what: 'the HTTP server',
    });
    return {
      client,
      direct,
      async addPlace(name) {
        const namespace = await addQuiet(name);
        const front = await lay(client, namespace);
        const free = [front.replace(/2$/, '100'), front.replace(/2$/, '101')] as const;
        return { namespace, front, free, back: await lay(namespace, servers) };
      },
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

async function startServers(servers: Namespace, folder: string): Promise<void> {
  const file = join(folder, 'server.conf');
  await writeFile(
    file,
    `worker_processes 1; worker_rlimit_nofile 18000; daemon off; pid ${join(folder, 'server.pid')}; error_log stderr crit;
events { worker_connections 16000; multi_accept on; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_header_timeout 600s;
  server { listen ${ports.http} backlog=8192; location / { return 200 "ok\\n"; } }
}
`,
  );
  await startDaemon(servers, 'nginx', ['-c', file, '-p', folder], join(folder, 'server.log'));
  await startDaemon(servers, 'iperf3', ['-s', '-p', String(ports.bulk)], join(folder, 'iperf3.log'));
}
