import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Namespace } from '../../src/lab/network.js';
import { until } from './poll.js';

/** A TLS connection that says nothing after its handshake, as a watch of a quiet cluster does. */
export interface HeldConnection {
  /** The common name in the certificate of whoever is at the other end. */
  readonly backend: string;
  /** Undefined while it is open. */
  end: { readonly because: string; readonly at: number } | undefined;
}

const script = `
const [host, port, count] = process.argv.slice(1);
const say = (value) => console.log(JSON.stringify(value));
for (let id = 0; id < Number(count); id++) {
  const socket = require('node:tls').connect({ host, port: Number(port), rejectUnauthorized: false });
  let because = 'closed';
  socket.on('secureConnect', () => say({ id, backend: socket.getPeerCertificate().subject.CN }));
  socket.on('error', (error) => { because = error.code; });
  socket.on('close', () => say({ id, because, at: Date.now() }));
}`;

/** Opens connections from the host, all at once; each end is noted with its reason and time (wall clock, milliseconds). */
export async function holdConnections(
  host: Namespace,
  to: { readonly ip: string; readonly port: number },
  count: number,
  within: number,
): Promise<readonly HeldConnection[]> {
  const args = ['-e', script, to.ip, String(to.port), String(count)];
  const child = host.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const held = new Map<number, HeldConnection>();
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    const { id, backend, because, at } = JSON.parse(line);
    if (backend !== undefined) held.set(id, { backend, end: undefined });
    const ended = held.get(id);
    if (because !== undefined && ended !== undefined) ended.end = { because, at };
  });
  await until(() => held.size === count, { within, what: `${count} connections to ${to.ip}` });
  return [...held.values()];
}
