import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { runApiStore } from '../../../../src/lab/api/embedded.js';
import { runApiFront } from '../../../../src/lab/api/front.js';
import { resources } from '../../../../src/lab/api/resource.js';
import { createAuthority } from '../../../../src/lab/certificates.js';
import { millis, plus } from '../../../../src/time/instant.js';
import { createSystemClock } from '../../../../src/time/system-clock.js';

const clock = createSystemClock(() => performance.now());
const host = '127.0.0.1';

async function open() {
  const authority = await createAuthority('test authority', new Date());
  const certificate = await authority.issue({ commonName: 'cp1', ips: [host] });
  const store = await runApiStore({ clock, listen: { host, port: 0, certificate: undefined }, tokens: ['secret'] });
  const front = await runApiFront({
    name: 'cp1',
    listen: { host, port: 0, certificate },
    store: { host, port: store.port },
  });
  return {
    store,
    /** The answer, its body not yet read. */
    get: (path: string, token = 'secret') =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { Authorization: `Bearer ${token}` };
        httpsRequest({ host, port: front.port, path, headers, ca: authority.caPem, agent: false })
          .on('response', resolve)
          .on('error', reject)
          .end();
      }),
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  return Buffer.concat(await answer.toArray()).toString();
}

test('a front answers with what the store says, over its own certificate, and says which node it is', async () => {
  await using at = await open();
  const ready = await at.get('/readyz', 'none');
  assert.equal((ready.socket as TLSSocket).getPeerCertificate().subject.CN, 'cp1');
  assert.equal(await textOf(ready), 'ok');
  assert.equal(ready.headers['x-served-by'], 'cp1');
  assert.equal((await at.get('/api/v1/nodes', 'wrong')).statusCode, 401);
  assert.match(await textOf(await at.get('/api/v1/nodes')), /NodeList/);
});

test('a watch passes through a front as it happens, and breaks where the store breaks it', async () => {
  await using at = await open();
  const watch = await at.get('/api/v1/nodes?watch=true');
  const nodes = resources.find(({ plural }) => plural === 'nodes');
  assert.ok(nodes !== undefined);
  at.store.store.create({ resource: nodes, namespace: undefined }, { metadata: { name: 'cp9' } });
  const chunks = watch[Symbol.asyncIterator]();
  assert.match(String((await chunks.next()).value), /"type":"ADDED".*"cp9"/);
  at.store.faults.cutWatches();
  await assert.rejects(chunks.next(), /aborted/);
});

test('a front whose store is gone answers 503', async () => {
  await using at = await open();
  await at.store[Symbol.asyncDispose]();
  const answer = await at.get('/readyz');
  assert.equal(answer.statusCode, 503);
  assert.equal(JSON.parse(await textOf(answer)).kind, 'Status');
});

test('faults: delayed by verb, failing, watches refused, frozen', async () => {
  await using at = await open();
  const { faults } = at.store;
  const plain = (path: string) =>
    new Promise<{ status: number | undefined; took: number }>((resolve, reject) => {
      const started = performance.now();
      const headers = { Authorization: 'Bearer secret' };
      request({ host, port: at.store.port, path, headers, agent: false })
        .on('response', (answer) => {
          answer.destroy();
          resolve({ status: answer.statusCode, took: performance.now() - started });
        })
        .on('error', reject)
        .end();
    });
  faults.delay = { by: millis(80), verbs: ['list'] };
  assert.ok((await plain('/api/v1/nodes')).took >= 80);
  assert.ok((await plain('/api/v1/nodes/cp1')).took < 80);
  faults.delay = undefined;
  faults.failing = true;
  assert.equal((await plain('/readyz')).status, 500);
  faults.failing = false;
  faults.watchesRefused = true;
  assert.equal((await plain('/api/v1/nodes?watch=true')).status, 503);
  assert.equal((await plain('/api/v1/nodes')).status, 200);
  faults.watchesRefused = false;
  const freeze = faults.freeze();
  clock.at(plus(clock.now(), millis(80)), () => freeze[Symbol.dispose]());
  const thawed = await plain('/api/v1/nodes');
  assert.equal(thawed.status, 200);
  assert.ok(thawed.took >= 79, `${thawed.took} ms`);
});
