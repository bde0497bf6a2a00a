import { createInterface } from 'node:readline';
import { carryOut } from './peer.js';

// A host's process: one order a line, one answer a line, in the same order.
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify((await carryOut(JSON.parse(line))) ?? null)}\n`);
}
process.exit();
