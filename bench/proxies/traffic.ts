import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Namespace } from '../../src/lab/network.js';
import { ports } from './site.js';

/** Gigabits a second over so many TCP streams, and bytes in all, by iperf3's receiver. */
export async function measureBulk(
  client: Namespace,
  address: string,
  streams: number,
  seconds: number,
): Promise<{ readonly gigabits: number; readonly bytes: number }> {
  const args = ['-J', '-c', address, '-p', String(ports.bulk), '-P', String(streams), '-t', String(seconds)];
  const { end } = JSON.parse(await client.run('iperf3', args));
  return { gigabits: end.sum_received.bits_per_second / 1e9, bytes: end.sum_received.bytes };
}

/**
 * HTTP requests a second of 64 connections at a time, and the 99th percentile of their times in ms, by wrk.
 * @param how `open`: each connection carries many; `new`: a connection for each
 */
export async function measureRequests(
  client: Namespace,
  address: string,
  how: 'open' | 'new',
  seconds: number,
): Promise<{ readonly perSecond: number; readonly p99: number; readonly errors: number }> {
  const close = how === 'new' ? ['-H', 'Connection: close'] : [];
  const url = `http://${address}:${ports.http}/`;
  const text = await client.run('wrk', ['-t1', '-c64', `-d${seconds}`, '--latency', ...close, url]);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const [, number, unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  const [, ...counts] = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? [];
  const errors = counts.reduce((sum, count) => sum + Number(count), 0);
  const factor = { us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN;
  if (Number.isNaN(perSecond + factor)) throw new Error(`wrk printed what nobody expects: ${text}`);
  return { perSecond, p99: Number(number) * factor, errors };
}

/** Opens idle connections, and keeps them until disposed; resolves when all are open and each has carried one request. */
export async function holdConnections(client: Namespace, address: string, count: number): Promise<AsyncDisposable> {
  const script = `
    const { connect } = require('node:net');
    const [address, port, count] = process.argv.slice(1);
    let open = 0, started = 0;
    const more = () => {
      if (started++ >= count) return;
      const socket = connect(port, address, () => socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'));
      socket.once('data', () => { if (++open == count) console.log('open'); more(); });
      socket.on('error', (error) => { console.log(String(error)); process.exit(1); });
    };
    for (let i = 0; i < 64; i++) more();
    process.stdin.resume().once('end', () => process.exit());`;
  const words = [
    '--nofile=20000:20000',
    '--',
    process.execPath,
    '-e',
    script,
    address,
    String(ports.http),
    String(count),
  ];
  const child = client.spawn('prlimit', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the client has no output');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  if (line !== 'open') throw new Error(`${count} connections cannot be opened: ${line}`);
  return {
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.stdin?.end();
      await gone;
    },
  };
}
