import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { dial, startPeer } from '../../test/contract/relay-peers.js';
import { exchange } from '../../test/contract/relay-stream.js';
import type { Verdict } from '../run.js';

/** Random data in pieces of random sizes through a relay in a process of its own; kept when all hashes are equal. */
export async function carryData(gib: number, connections: number): Promise<Verdict> {
  const length = Math.ceil((gib * 2 ** 30) / 2 / connections);
  using peer = await startPeer('a');
  const { name, ip, port } = peer.backend;
  const script = join(import.meta.dirname, '../../test/netns/relay-process.js');
  const relay = spawn(process.execPath, [script, name, ip, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [entry] = await once(createInterface({ input: relay.stdout }), 'line');
  const pairs = [];
  for (let i = 0; i < connections; i++) {
    const client = dial(Number(entry));
    pairs.push({ client, server: await peer.next() });
  }
  const began = performance.now();
  const results = await Promise.all(pairs.map(({ client, server }, i) => exchange(client, server, length, i)));
  const seconds = (performance.now() - began) / 1000;
  const wrong = results.filter(({ sent, received }) => String(sent) !== String(received)).length;
  relay.stdin.end();
  await once(relay, 'exit');
  const carried = (2 * length * connections) / 2 ** 30;
  console.log(
    `data: ${carried.toFixed(1)} GiB over ${connections} connections, both ways at once, in ${seconds.toFixed(0)} s: ${wrong} of ${2 * connections} streams arrived otherwise than they were sent`,
  );
  return { isKept: wrong === 0, figures: { carried, connections, seconds, wrong } };
}
