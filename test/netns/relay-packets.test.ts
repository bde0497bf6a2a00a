import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dial, ending, startPeer } from '../contract/relay-peers.js';
import { inOwnNamespace } from './network-namespace.js';
import { until } from './poll.js';
import { type RelayProcess, startRelayProcess } from './relay-processes.js';

interface Segment {
  readonly to: number;
  readonly flags: string;
  readonly length: number;
}

/** The TCP segments on loopback from the promise's end on. */
async function captureSegments(): Promise<{ readonly segments: readonly Segment[] } & Disposable> {
  const options = ['-i', 'lo', '-n', '-l', '--immediate-mode', '-Z', 'root', 'tcp'];
  const child = spawn('tcpdump', options, { stdio: ['ignore', 'pipe', 'pipe'] });
  const segments: Segment[] = [];
  let started = false;
  let text = '';
  child.stderr.on('data', (said: Buffer) => {
    started ||= said.includes('listening on');
  });
  child.stdout.on('data', (said: Buffer) => {
    const lines = (text + said).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const [, to, flags = '', length] = / > 127\.0\.0\.1\.(\d+): Flags \[(\S+)\],.* length (\d+)/.exec(line) ?? [];
      if (to !== undefined) segments.push({ to: Number(to), flags, length: Number(length) });
    }
  });
  await until(() => started, { what: 'tcpdump' });
  return { segments, [Symbol.dispose]: () => void child.kill() };
}

/** Has it stand still while something happens: then it finds all of that at once. */
async function meanwhile<T>(relayed: RelayProcess, happens: () => Promise<T>): Promise<T> {
  const state = async () => (await readFile(`/proc/${relayed.child.pid}/status`, 'utf8')).match(/^State:\s+(\S)/m)?.[1];
  relayed.child.kill('SIGSTOP');
  await until(async () => (await state()) === 'T', { what: 'a process that stands still' });
  const found = await happens();
  relayed.child.kill('SIGCONT');
  return found;
}

inOwnNamespace(fileURLToPath(import.meta.url), () => {
  it('relay: what is said first goes with the handshake’s last ACK, what is said last with the FIN', async () => {
    using peer = await startPeer('a');
    const relayed = await startRelayProcess(peer.backend, 1024);
    using capture = await captureSegments();
    const client = await meanwhile(relayed, async () => {
      const socket = dial(relayed.port);
      await new Promise<void>((sent) => socket.write('hello', () => sent()));
      return socket;
    });
    const { localPort } = client;
    const told = ending(client);
    await until(() => peer.sockets[0] !== undefined, { what: 'a connection to the backend' });
    const server = peer.sockets[0];
    assert.ok(server);
    const [said] = await once(server, 'data');
    assert.equal(String(said), 'hello');
    await meanwhile(relayed, () => new Promise<void>((ended) => server.end('good bye', () => ended())));
    assert.deepEqual(await told, { data: 'good bye', how: 'end' });
    const served = ending(server);
    client.end();
    assert.equal((await served).how, 'end');
    await relayed.finish();
    const toBackend = () => capture.segments.filter(({ to }) => to === peer.backend.port);
    const toClient = () => capture.segments.filter(({ to }) => to === localPort);
    await until(() => toBackend().some(({ flags }) => flags.includes('F')), { what: 'all segments' });
    assert.deepEqual(
      toBackend()
        .slice(0, 2)
        .map(({ flags, length }) => `${flags} ${length}`),
      ['S 0', 'P. 5'],
    );
    // A FIN implies a push (RFC 9293, section 3.9.1).
    assert.deepEqual(
      toClient()
        .filter(({ flags, length }) => flags.includes('F') || length > 0)
        .map(({ flags, length }) => `${flags} ${length}`),
      ['F. 8'],
    );
  });
});
