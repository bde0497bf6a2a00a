import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Ip } from '../../src/net/ip.js';

const marker = 'VIPD_TEST_NAMESPACE';
let hosts = 0;

/**
 * Runs the calling test file's tests in a network namespace of their own: outside of one this registers a test that starts the
 * file anew under `unshare --net`; inside, `define` registers the tests.
 */
export function inOwnNamespace(file: string, define: () => void): void {
  if (process.env[marker] !== undefined) {
    run('ip', 'link', 'set', 'lo', 'up');
    define();
    return;
  }
  const isRoot = process.getuid?.() === 0;
  test('in a network namespace', { skip: isRoot ? false : 'making a network namespace needs root' }, async () => {
    const env = { ...process.env, [marker]: '1', NODE_TEST_CONTEXT: undefined };
    try {
      await promisify(execFile)('unshare', ['--net', process.execPath, file], { env, maxBuffer: 16 * 1024 * 1024 });
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
      throw new Error(`${stdout}\n${stderr}`);
    }
  });
}

/** Runs a command in this namespace and returns what it prints. */
export function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Another host, in a namespace of its own. */
export interface OtherHost extends Disposable {
  readonly name: string;
  run(command: string, ...args: readonly string[]): string;
}

export function createOtherHost(): OtherHost {
  const name = `vipd-test-${process.pid}-${++hosts}`;
  run('ip', 'netns', 'add', name);
  const host: OtherHost = {
    name,
    run: (command, ...args) => run('ip', 'netns', 'exec', name, command, ...args),
    [Symbol.dispose]: () => void run('ip', 'netns', 'delete', name),
  };
  host.run('ip', 'link', 'set', 'lo', 'up');
  return host;
}

/** This namespace as a node on a LAN, and a client on the same LAN. */
export interface Lan extends Disposable {
  readonly device: string;
  readonly client: OtherHost;
}

export const nodeAddress = { 4: '192.0.2.1' as Ip, 6: '2001:db8::1' as Ip } as const;
export const clientAddress = { 4: '192.0.2.9' as Ip, 6: '2001:db8::9' as Ip } as const;
export const vipAddress = { 4: '192.0.2.100' as Ip, 6: '2001:db8::100' as Ip } as const;

export function createLan(): Lan {
  const client = createOtherHost();
  const device = `lan${hosts}`;
  run('ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client.name);
  run('ip', 'addr', 'add', `${nodeAddress[4]}/24`, 'dev', device);
  run('ip', 'addr', 'add', `${nodeAddress[6]}/64`, 'dev', device, 'nodad');
  client.run('ip', 'addr', 'add', `${clientAddress[4]}/24`, 'dev', 'eth0');
  client.run('ip', 'addr', 'add', `${clientAddress[6]}/64`, 'dev', 'eth0', 'nodad');
  run('ip', 'link', 'set', device, 'up');
  client.run('ip', 'link', 'set', 'eth0', 'up');
  return {
    device,
    client,
    [Symbol.dispose]() {
      run('ip', 'link', 'delete', device);
      client[Symbol.dispose]();
    },
  };
}

/** A client's connection, from another host or from this one: lines go out, lines come back. */
export interface Connection extends AsyncDisposable {
  /** Sends a line and returns the answer; undefined when the connection was refused, reset or closed. */
  ask(line: string): Promise<string | undefined>;
}

/** Runs a client that gives up after five seconds without an answer. */
export function connect(from: OtherHost | 'here', ip: Ip, port: number): Connection {
  const script = `
    const socket = require('node:net').connect(${port}, '${ip}');
    socket.setTimeout(5000, () => process.exit(1));
    socket.on('error', () => process.exit(1));
    process.stdin.pipe(socket).pipe(process.stdout);`;
  const command = [...(from === 'here' ? [] : ['ip', 'netns', 'exec', from.name]), process.execPath, '-e', script];
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      child.stdin.write(`${line}\n`);
      return (await lines.next()).value;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      child.kill();
      await closed;
    },
  };
}

/** A server that answers every line with its name and the client's address. */
export async function answerLines(name: string, ip: Ip, port: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const peer = (socket.remoteAddress ?? '').replace('::ffff:', '');
    createInterface({ input: socket }).on('line', () => socket.write(`${name} ${peer}\n`));
  });
  server.listen(port, ip);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
