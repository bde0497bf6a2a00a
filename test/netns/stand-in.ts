import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificate } from '../../src/lab/certificates.js';
import type { Namespace } from '../../src/lab/network.js';

/** An API server whose answers are those that a file says, each noted in another. */
const script = `
const { appendFileSync, readFileSync } = require('node:fs');
const [certificate, said, noted] = process.argv.slice(1);
const { certPem, keyPem } = JSON.parse(readFileSync(certificate, 'utf8'));
require('node:https').createServer({ cert: certPem, key: keyPem }, (request, response) => {
  const status = readFileSync(said, 'utf8');
  appendFileSync(noted, request.url + ' ' + status + '\\n');
  response.writeHead(Number(status)).end('as told');
}).listen(6443, () => console.log('up'));
`;

/** A server in the place of a node's API server, which answers every request with the status that it was told last. */
export interface StandIn {
  say(status: number): Promise<void>;
  /** How many times it answered /readyz with the status. */
  answers(status: number): Promise<number>;
  end(): Promise<void>;
}

/** @param folder where its files go; one stand-in at a time */
export async function startStandIn(
  host: Namespace,
  folder: string,
  certificate: Certificate,
  status: number,
): Promise<StandIn> {
  const file = (name: string) => join(folder, `stand-in.${name}`);
  // The server reads what was said before or what is said now, never the emptiness in between.
  const say = async (next: number) => {
    await writeFile(file('saying'), String(next));
    await rename(file('saying'), file('said'));
  };
  await Promise.all([
    say(status),
    writeFile(file('noted'), ''),
    writeFile(file('certificate'), JSON.stringify(certificate), { mode: 0o600 }),
  ]);
  const files = ['certificate', 'said', 'noted'].map(file);
  const child = host.spawn(process.execPath, ['-e', script, ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  return {
    say,
    answers: async (wanted) =>
      (await readFile(file('noted'), 'utf8')).split('\n').filter((line) => line === `/readyz ${wanted}`).length,
    async end() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** The certificate of a node's own API server, of the embedded API. */
export async function certificateOf(node: string, folder: string): Promise<Certificate> {
  return JSON.parse(await readFile(join(folder, `${node}.api.json`), 'utf8')).certificate;
}
