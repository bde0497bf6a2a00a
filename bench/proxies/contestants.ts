import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { program } from '../../test/netns/program.js';
import { type Place, ports } from './site.js';

export type Contestant = 'haproxy' | 'nginx' | 'vipd';
export const contestants: readonly Contestant[] = ['haproxy', 'nginx', 'vipd'];

/** Where vipd has its metrics, at the namespace's own address. */
export const metricsPort = 2112;

/** Descriptors for each contestant; the machine's hard limit may be 20,000. */
const files = 18_000;

/** A proxy that runs, and where the client finds the servers behind it. */
export interface Running {
  readonly daemon: Daemon;
  readonly http: string;
  readonly bulk: string;
}

/** Starts a contestant as its users would set it up for this, with so many threads (nginx: worker processes) and this priority. */
export async function startContestant(
  who: Contestant,
  place: Place,
  threads: number,
  folder: string,
  nice = 0,
): Promise<Running> {
  await mkdir(folder, { recursive: true });
  const { command, args } = await configured[who](place, threads, folder);
  const limited = ['--nofile=20000:20000', '--', 'nice', '-n', String(nice), command, ...args];
  const daemon = await startDaemon(place.namespace, 'prlimit', limited, join(folder, 'log'));
  // A virtual address is none of the host's own.
  const [http, bulk] = who === 'vipd' ? place.free : [place.front, place.front];
  return { daemon, http, bulk };
}

interface Configured {
  readonly command: string;
  readonly args: readonly string[];
}

const configured: Readonly<Record<Contestant, (place: Place, threads: number, folder: string) => Promise<Configured>>> =
  {
    async haproxy({ front, back }, threads, folder) {
      const services = Object.entries(ports).map(
        ([name, port]) => `
listen ${name}
  bind ${front}:${port}
  server one ${back}:${port}
`,
      );
      const file = join(folder, 'haproxy.cfg');
      // A connection counts for two descriptors; a quarter of them may have a pipe, which has two. Smart connect has the first data go with
      // the handshake's last ACK, as vipd does by itself.
      await writeFile(
        file,
        `global
  nbthread ${threads}
  maxconn 6500
defaults
  mode tcp
  option splice-auto
  option clitcpka
  option srvtcpka
  option tcp-smart-connect
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${services.join('')}`,
      );
      return { command: 'haproxy', args: ['-db', '-f', file] };
    },
    async nginx({ front, back }, threads, folder) {
      const services = Object.values(ports).map(
        (port) =>
          `  server { listen ${front}:${port} backlog=8192 reuseport so_keepalive=on; proxy_pass ${back}:${port}; }\n`,
      );
      const file = join(folder, 'nginx.conf');
      // Debian's packages have it as a module of its own.
      const module = '/usr/lib/nginx/modules/ngx_stream_module.so';
      await writeFile(
        file,
        `${existsSync(module) ? `load_module ${module};\n` : ''}worker_processes ${threads}; worker_rlimit_nofile ${files}; daemon off;
pid ${join(folder, 'pid')}; error_log stderr crit;
events { worker_connections ${files - 200}; multi_accept on; }
stream {
  proxy_connect_timeout 5s; proxy_timeout 1h; proxy_socket_keepalive on;
${services.join('')}}
`,
      );
      return { command: 'nginx', args: ['-c', file, '-p', folder] };
    },
    async vipd({ front, free, back }, threads, folder) {
      const vips = Object.entries(ports).map(([name, port], i) => ({
        name,
        addresses: [free[i]],
        election: { type: 'none' },
        loadBalancer: {
          mode: 'proxy',
          ports: [port],
          backends: { from: 'static', servers: [{ name: 'one', address: `${back}:${port}` }] },
          healthCheck: { type: 'tcp', interval: '60s' },
        },
      }));
      const file = join(folder, 'vipd.yaml');
      const config = {
        node: { name: 'bench' },
        vips,
        metrics: { listen: `${front}:${metricsPort}` },
        admin: { socket: join(folder, 'sock') },
      };
      await writeFile(file, JSON.stringify({ ...config, proxy: { threads } }));
      return { command: program.node, args: [program.script, 'start', '--config', file] };
    },
  };

/** All processes of a daemon. */
async function processesOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.trim().split(/\s+/).filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(processesOf))).flat()];
}

/** Processor time used so far, in seconds: user and system, all threads (proc(5), /proc/pid/stat, fields 14 and 15; 100 a second). */
export async function cpuSeconds({ pid }: Pick<Daemon, 'pid'>): Promise<number> {
  const times = (await processesOf(pid)).map(async (process) => {
    const stat = await readFile(`/proc/${process}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  });
  return (await Promise.all(times)).reduce((sum, seconds) => sum + seconds, 0);
}

/**
 * Memory that is its own, in KiB: pages of no file, of those of several processes its share. A file's are left out: the share in
 * Node.js's own falls with every other Node.js process, such as the client that holds connections.
 */
export async function memory({ pid }: Daemon): Promise<number> {
  const sizes = (await processesOf(pid)).map(async (process) => {
    const text = await readFile(`/proc/${process}/smaps_rollup`, 'utf8');
    const of = (kind: 'Anon' | 'Shmem') => Number(new RegExp(`^Pss_${kind}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]);
    return of('Anon') + of('Shmem');
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
