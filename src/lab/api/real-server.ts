import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../time/clock.js';
import { between, type Millis, millis, plus } from '../../time/instant.js';
import { type Authority, createAuthority } from '../certificates.js';
import { prepareApiServer, writeClusterKeys } from './api-server-command.js';
import type { ApiAccess } from './embedded.js';
import { kubeconfigText } from './kubeconfig.js';

/** Where tests that follow the KUBEBUILDER_ASSETS convention find the programs when it is not set. */
const defaultAssets = '/usr/local/kubebuilder/bin';

/**
 * The folder that has etcd and kube-apiserver; undefined if it has not.
 * @param assets the value of KUBEBUILDER_ASSETS
 * @param others programs that it must have too
 */
export function findRealServer(assets: string | undefined, others: readonly string[] = []): string | undefined {
  const folder = assets === undefined || assets === '' ? defaultAssets : assets;
  return ['etcd', 'kube-apiserver', ...others].every((name) => existsSync(join(folder, name))) ? folder : undefined;
}

export interface RealClusterOptions {
  readonly clock: Clock;
  /** The folder of the programs (findRealServer). */
  readonly programs: string;
  /** An empty folder for data, keys and logs. */
  readonly folder: string;
  /** The address that etcd listens on; default 127.0.0.1. */
  readonly host?: string;
  /** Put before the command: `['ip', 'netns', 'exec', 'switch']`. The ports are then etcd's usual ones. */
  readonly prefix?: readonly string[];
}

export interface RealServerOptions {
  /** Names its certificate, log file and folder. */
  readonly name: string;
  /** The address that it listens on and is called by; default 127.0.0.1. */
  readonly host?: string;
  /** Listen on every address; its certificate is for `host` and `ips`. */
  readonly everywhere?: boolean;
  readonly ips?: readonly string[];
  /** More names that its certificate is for. */
  readonly dnsNames?: readonly string[];
  /** Default: any that is free; with a prefix, 6443. */
  readonly port?: number;
  /** Put before the command. */
  readonly prefix?: readonly string[];
  /** More flags for kube-apiserver. */
  readonly flags?: readonly string[];
}

export interface RealServer extends ApiAccess, AsyncDisposable {
  /** False once it has ended. */
  running(): boolean;
  signal(name: NodeJS.Signals): void;
}

/** One etcd and the API servers before it. Ends all its processes when disposed, and the kernel ends them when this process dies. */
export interface RealCluster extends AsyncDisposable {
  /** `http://host:port` of etcd. */
  readonly etcd: string;
  readonly authority: Authority;
  /** The bearer token that every server accepts. */
  readonly token: string;
  /** Starts a kube-apiserver and waits until it is ready (about 5 s). Rejects with the end of its log when it is not. */
  addServer(options: RealServerOptions): Promise<RealServer>;
}

const readyTimeout = millis(60_000);

/** Starts etcd and waits until it answers. Rejects with the end of its log when it does not. */
export async function startRealCluster(options: RealClusterOptions): Promise<RealCluster> {
  const { clock, programs, folder, host = '127.0.0.1' } = options;
  const authority = await createAuthority('vipd lab', clock.wall());
  const token = randomBytes(16).toString('hex');
  await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  await writeClusterKeys(folder, authority);

  const ownNetwork = options.prefix !== undefined;
  const clientPort = ownNetwork ? 2379 : await freePort(host);
  const peerPort = ownNetwork ? 2380 : await freePort(host);
  const etcd = `http://${host}:${clientPort}`;
  const peer = `http://${host}:${peerPort}`;
  const etcdProgram = await start(options, {
    name: 'etcd',
    prefix: options.prefix ?? [],
    command: [
      join(programs, 'etcd'),
      '--name=lab',
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=lab=${peer}`,
    ],
    probe: { url: `${etcd}/health`, caPem: undefined, token: undefined },
  });
  const servers: AsyncDisposable[] = [];

  async function addServer(server: RealServerOptions): Promise<RealServer> {
    const { name, host = '127.0.0.1', prefix = [], ips = [], dnsNames = [], everywhere = false } = server;
    const port = server.port ?? (server.prefix === undefined ? await freePort(host) : 6443);
    const certificate = await authority.issue({
      commonName: name,
      ips: [...new Set([host, '127.0.0.1', ...ips])],
      dnsNames: ['localhost', 'kubernetes', ...dnsNames],
    });
    const url = `https://${host}:${port}`;
    const command = await prepareApiServer({
      ...{ programs, folder, etcd, host, everywhere, port, certificate },
      own: join(folder, name),
      flags: [`--token-auth-file=${join(folder, 'tokens.csv')}`, ...(server.flags ?? [])],
    });
    const program = await start(options, {
      name: `kube-apiserver-${name}`,
      prefix,
      command,
      // The namespace that Leases live in comes a moment after readiness.
      probe: { url: `${url}/api/v1/namespaces/kube-system`, caPem: authority.caPem, token },
    });
    const { caPem } = authority;
    const kubeconfig = kubeconfigText({ server: url, caPem, token });
    const running = { ...program, url, port, caPem, token, kubeconfig };
    servers.push(running);
    return running;
  }

  return {
    etcd,
    authority,
    token,
    addServer,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
      await etcdProgram[Symbol.asyncDispose]();
    },
  };
}

interface Probe {
  readonly url: string;
  readonly caPem: string | undefined;
  readonly token: string | undefined;
}

interface Program {
  readonly name: string;
  readonly prefix: readonly string[];
  readonly command: readonly string[];
  readonly probe: Probe;
}

type RunningProgram = Pick<RealServer, 'running' | 'signal' | keyof AsyncDisposable>;

async function start(options: RealClusterOptions, program: Program): Promise<RunningProgram> {
  const { clock, folder } = options;
  const logFile = join(folder, `${program.name}.log`);
  const log = await open(logFile, 'a');
  // A program that outlives the one that started it would hold its ports and its memory for ever.
  const [command = '', ...args] = [...program.prefix, 'setpriv', '--pdeathsig', 'KILL', '--', ...program.command];
  const child = spawn(command, args, { stdio: ['ignore', log.fd, log.fd] });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async () => {
    child.kill('SIGTERM');
    // etcd and kube-apiserver wait for open watches; there is nothing here that needs them to.
    using _timer = clock.at(plus(clock.now(), millis(1_000)), () => child.kill('SIGKILL'));
    await ended;
  };
  await log.close();
  const until = plus(clock.now(), readyTimeout);
  while (isRunning(child) && between(clock.now(), until) > 0) {
    if (await isReady(program.prefix, program.probe)) {
      const signal = (name: NodeJS.Signals) => void child.kill(name);
      return { running: () => isRunning(child), signal, [Symbol.asyncDispose]: stop };
    }
    await Promise.race([ended, sleep(clock, millis(250))]);
  }
  const state = isRunning(child) ? 'is not ready' : 'ended';
  await stop();
  throw new Error(`${program.name} ${state}: ${readFileSync(logFile, 'utf8').slice(-2_000)}`);
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Asks from where the program runs: nothing else may be able to reach it. */
function isReady(prefix: readonly string[], probe: Probe): Promise<boolean> {
  const script = `
    const { argv, exit } = require('node:process');
    const { url, caPem: ca, token } = JSON.parse(argv[1]);
    const headers = token === undefined ? {} : { Authorization: 'Bearer ' + token };
    require(url.startsWith('https') ? 'node:https' : 'node:http')
      .get(url, { ca, headers, timeout: 2000 }, (answer) => exit(answer.statusCode === 200 ? 0 : 1))
      .on('error', () => exit(1))
      .on('timeout', () => exit(1));`;
  const node = readlinkSync('/proc/self/exe');
  const [command = '', ...args] = [...prefix, node, '-e', script, JSON.stringify(probe)];
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'ignore' });
    child.once('exit', (code) => resolve(code === 0));
    child.once('error', () => resolve(false));
  });
}

function sleep(clock: Clock, time: Millis): Promise<void> {
  return new Promise((resolve) => {
    clock.at(plus(clock.now(), time), resolve);
  });
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
