import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createResolver } from '../../../src/kernel/linux/resolver.js';
import { type ApiAnswer, createKubernetesClient, type StreamEnd } from '../../../src/kubernetes/client.js';
import type { JsonObject } from '../../../src/kubernetes/json.js';
import { kubeconfigText } from '../../../src/lab/api/kubeconfig.js';
import { type Listener, listen } from '../../../src/lab/api/listener.js';
import { type Authority, type Certificate, createAuthority } from '../../../src/lab/certificates.js';
import { millis } from '../../../src/time/instant.js';
import { createSystemClock } from '../../../src/time/system-clock.js';
import { createFakeClock } from '../../fakes/clock.js';
import { until } from '../../netns/poll.js';

const clock = createSystemClock(() => performance.now());
const timeout = millis(3_000);
const mebibyte = 'x'.repeat(1024 * 1024);

describe('kubernetes client', { concurrency: true }, () => {
  let authority: Authority;
  let certificate: Certificate;
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vipd-client-'));
    authority = await createAuthority('test authority', new Date());
    certificate = await authority.issue({ commonName: 'test', ips: ['127.0.0.1', '127.0.0.2'] });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** A client and a server that answers as the test says. */
  async function open(onRequest: RequestListener) {
    const listener: Listener = await listen({ host: '127.0.0.1', port: 0, certificate }, onRequest);
    const kubeconfig = join(folder, `kubeconfig-${count++}`);
    const server = `https://127.0.0.1:${listener.port}`;
    const write = (text: string) => writeFile(kubeconfig, text);
    await write(kubeconfigText({ server, caPem: authority.caPem, token: 'secret' }));
    const client = createKubernetesClient({ resolver: createResolver(), clock, kubeconfig });
    return {
      client,
      server,
      kubeconfig,
      write,
      get: (wait = timeout) => client.request({ method: 'GET', path: '/thing', timeout: wait }),
      watch: (objects: JsonObject[] = [], signal = new AbortController().signal) =>
        client.stream({
          path: '/things',
          query: { watch: 'true' },
          timeout,
          lifetime: timeout,
          signal,
          onObject: (object) => void objects.push(object),
        }),
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]();
        await listener[Symbol.asyncDispose]();
      },
    };
  }

  test('a call carries the token, the query and the body', async () => {
    const seen: unknown[] = [];
    await using at = await open(async (request, response) => {
      const chunks: Buffer[] = await request.toArray();
      seen.push(request.method, request.url, request.headers.authorization, Buffer.concat(chunks).toString());
      seen.push(request.headers['content-type']);
      json(response, 201, { kind: 'Thing' });
    });
    const query = { fieldSelector: 'metadata.name=a b&c' };
    const answer = await at.client.request({ method: 'POST', path: '/things', query, body: { ä: 1 }, timeout });
    assert.deepEqual(answer, { ok: true, body: { kind: 'Thing' } });
    const url = '/things?fieldSelector=metadata.name%3Da+b%26c';
    assert.deepEqual(seen, ['POST', url, 'Bearer secret', '{"ä":1}', 'application/json']);
  });

  test('each status has its refusal, with the message of the server', async () => {
    const refusals: Record<number, string> = {
      302: 'invalid',
      401: 'unauthorized',
      403: 'forbidden',
      404: 'absent',
      409: 'conflict',
      410: 'gone',
      418: 'invalid',
      429: 'throttled',
      500: 'server-error',
      503: 'server-error',
    };
    let status = 0;
    await using at = await open((_, response) => json(response, status, { message: `no\n\u0007\tway ${mebibyte}` }));
    for (const [code, refusal] of Object.entries(refusals)) {
      status = Number(code);
      const answer = await at.get();
      assert.equal(refusalOf(answer), refusal, code);
      assert.match(detailOf(answer), /^no way x{200,}$/);
      assert.ok(detailOf(answer).length <= 300);
      assert.equal(refusalOf(await at.watch()), refusal, code);
    }
  });

  test('an answer that is no JSON object is invalid', async () => {
    let body = '';
    await using at = await open((_, response) => void response.end(body));
    for (body of ['', 'ok', '<html>', '[]', 'null', '{', '"x"'])
      assert.equal(refusalOf(await at.get()), 'invalid', body);
  });

  test('an answer without an end is given up at the limit', async () => {
    await using at = await open((_, response) => pour(response));
    assert.equal(refusalOf(await at.get(millis(30_000))), 'invalid');
    assert.equal(refusalOf(await at.watch()), 'invalid');
  });

  test('an answer that stalls times out, and its connection is closed', async () => {
    let closed: Promise<unknown> | undefined;
    let isFirst = true;
    await using at = await open((request, response) => {
      if (isFirst) {
        isFirst = false;
        response.end('{}');
        return;
      }
      closed = once(request.socket, 'close');
      response.write('{');
    });
    // The handshake, which may take its time on a busy machine, is done with this one.
    assert.ok((await at.get()).ok);
    const started = performance.now();
    assert.equal(refusalOf(await at.get(millis(200))), 'timeout');
    assert.ok(closed !== undefined);
    await closed;
    const took = performance.now() - started;
    assert.ok(took >= 199, `${took} ms`);
  });

  test('an answer that breaks off is unreachable', async () => {
    await using at = await open((_, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('{', () => response.destroy());
    });
    assert.equal(refusalOf(await at.get()), 'unreachable');
    assert.equal(refusalOf(await at.watch()), 'unreachable');
  });

  test('a stream gives each object, and ends well only when the server ends it', async () => {
    await using at = await open((_, response) => {
      response.write('{"a":');
      setImmediate(() => response.end('1}\n{"a":2}\n'));
    });
    const objects: JsonObject[] = [];
    assert.deepEqual(await at.watch(objects), { ok: true });
    assert.deepEqual(objects, [{ a: 1 }, { a: 2 }]);
  });

  test('a stream ends when it is given up, and says nothing after', async () => {
    const ending = new AbortController();
    await using at = await open((_, response) => {
      response.write('{"a":1}\n{"a":2}\n');
    });
    const objects: JsonObject[] = [];
    const end = at.client.stream({
      path: '/things',
      query: {},
      timeout,
      lifetime: timeout,
      signal: ending.signal,
      onObject(object) {
        objects.push(object);
        ending.abort();
        return undefined;
      },
    });
    assert.equal(refusalOf(await end), 'unreachable');
    assert.deepEqual(objects, [{ a: 1 }]);
  });

  test('a stream that goes silent ends at its lifetime', async () => {
    await using at = await open((_, response) => void response.write('{}\n'));
    const end = at.client.stream({
      path: '/',
      query: {},
      timeout,
      lifetime: millis(100),
      signal: new AbortController().signal,
      onObject: () => undefined,
    });
    assert.equal(refusalOf(await end), 'timeout');
  });

  test('calls reuse their connection, and a watch has another', async () => {
    const ports: unknown[] = [];
    await using at = await open((request, response) => {
      ports.push(request.socket.remotePort);
      if (request.url?.includes('watch')) response.end();
      else json(response, 200, {});
    });
    await at.watch();
    await at.get();
    await at.get();
    const [watch, first, second] = ports;
    assert.equal(first, second);
    assert.notEqual(watch, first);
  });

  test('a connection that the server closed while it idled is replaced without a failure', async () => {
    const sockets: unknown[] = [];
    await using at = await open((request, response) => {
      // Closed as the next request is under way: the client cannot know.
      if (sockets.includes(request.socket)) request.socket.destroy();
      else json(response, 200, {});
      sockets.push(request.socket);
    });
    assert.equal((await at.get()).ok, true);
    assert.equal((await at.get()).ok, true);
  });

  test('a certificate of another authority is unreachable; once the file has the right one the call is made again', async () => {
    await using at = await open((_, response) => json(response, 200, {}));
    const other = await createAuthority('other', new Date());
    await at.write(kubeconfigText({ server: at.server, caPem: other.caPem, token: 'secret' }));
    const answer = await at.get();
    assert.equal(refusalOf(answer), 'unreachable');
    assert.match(detailOf(answer), /certificate/);
    await at.write(kubeconfigText({ server: at.server, caPem: authority.caPem, token: 'secret' }));
    assert.equal((await at.get()).ok, true);
  });

  test('a token that was rotated in its file is read again when the old one is refused', async () => {
    const token = join(folder, 'token');
    await writeFile(token, 'first\n');
    const seen: unknown[] = [];
    let good = 'Bearer first';
    await using at = await open((request, response) => {
      seen.push(request.headers.authorization);
      json(response, request.headers.authorization === good ? 200 : 401, {});
    });
    // Relative to the kubeconfig, as kubectl has it.
    const text = kubeconfigText({ server: at.server, caPem: authority.caPem, token: '' });
    await at.write(text.replace(/token: .*/, 'tokenFile: token'));
    assert.equal((await at.get()).ok, true);
    good = 'Bearer second';
    assert.equal(refusalOf(await at.get()), 'unauthorized');
    await writeFile(token, 'second\n');
    assert.equal((await at.get()).ok, true);
    assert.deepEqual(seen, ['Bearer first', 'Bearer first', 'Bearer first', 'Bearer second']);
  });

  test('a token that was rotated in its file is used a minute later, although the old one is still good', async () => {
    const seen: unknown[] = [];
    await using at = await open((request, response) => {
      seen.push(request.headers.authorization);
      json(response, 200, {});
    });
    const still = createFakeClock();
    using client = createKubernetesClient({ resolver: createResolver(), clock: still, kubeconfig: at.kubeconfig });
    const get = () => client.request({ method: 'GET', path: '/', timeout });
    await get();
    await at.write(kubeconfigText({ server: at.server, caPem: authority.caPem, token: 'new' }));
    still.advance(60_000);
    await get();
    still.advance(1);
    // Read on the side: the call that notices the age still goes with the old one.
    await get();
    await until(async () => (await get()).ok && seen.at(-1) === 'Bearer new', { what: 'the new token' });
    assert.deepEqual(seen.slice(0, 3), ['Bearer secret', 'Bearer secret', 'Bearer secret']);
  });

  test('without credentials that can be used it says why, and notices when they come', async () => {
    await using at = await open((_, response) => json(response, 200, {}));
    const good = kubeconfigText({ server: at.server, caPem: authority.caPem, token: 't' });
    for (const [text, why] of [
      [': : not yaml', /no credentials/],
      ['{}', /no cluster/],
      [good.replace('https:', 'http:'), /HTTP protocol|https/],
      [good.replace(/server: .*/, 'server: nonsense'), /Invalid URL/],
    ] as const) {
      await at.write(text);
      const answer = await at.get();
      assert.equal(refusalOf(answer), 'unauthorized', text);
      assert.match(detailOf(answer), why);
    }
    await rm(at.kubeconfig);
    assert.match(detailOf(await at.get()), /ENOENT/);
    await at.write(good);
    assert.equal((await at.get()).ok, true);
  });

  test('a server behind a path keeps it', async () => {
    await using at = await open((request, response) => json(response, 200, { url: request.url }));
    using client = createKubernetesClient({
      resolver: createResolver(),
      clock,
      kubeconfig: at.kubeconfig,
      server: `${at.server}/k8s/c-1/`,
    });
    const answer = await client.request({ method: 'GET', path: '/version', timeout });
    assert.deepEqual(answer, { ok: true, body: { url: '/k8s/c-1/version' } });
  });

  /** A folder as kubeadm leaves it, and servers that say who they are; those of `refuse` answer with a status instead. */
  async function openNode(tokens: { readonly admin: string; readonly superAdmin?: string }) {
    const own = await mkdtemp(join(folder, 'node-'));
    const refuse = new Map<string, number>();
    const seen: string[] = [];
    const serve = (name: string, host: string) =>
      listen({ host, port: 0, certificate }, (request, response) => {
        const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
        seen.push(`${token} at ${name}`);
        const status = refuse.get(token) ?? refuse.get(name);
        json(response, status ?? 200, { name });
      });
    const [local, other] = await Promise.all([serve('local', '127.0.0.1'), serve('other', '127.0.0.2')]);
    const write = (name: string, token: string) =>
      writeFile(
        join(own, name),
        kubeconfigText({ server: `https://127.0.0.2:${other.port}`, caPem: authority.caPem, token }),
      );
    await write('admin.conf', tokens.admin);
    if (tokens.superAdmin !== undefined) await write('super-admin.conf', tokens.superAdmin);
    const routes: string[] = [];
    const onRoute = (server: string, origin: string) => void routes.push(`${server} ${origin.split('/').at(-1)}`);
    const client = createKubernetesClient({
      resolver: createResolver(),
      clock,
      adminConf: join(own, 'admin.conf'),
      localPort: local.port,
      onRoute,
    });
    return {
      local,
      other,
      refuse,
      seen,
      routes,
      async ask(aside = false) {
        const answer = await client.request({ method: 'GET', path: '/', timeout, aside });
        return answer.ok ? answer.body.name : answer.refusal;
      },
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]();
        await Promise.all([local[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
      },
    };
  }

  test("the node's own server first, by the name in the kubeconfig or its own; the other one when it is down", async () => {
    await using at = await openNode({ admin: 'a' });
    assert.deepEqual([await at.ask(), await at.ask()], ['local', 'local']);
    await at.local[Symbol.asyncDispose]();
    assert.deepEqual([await at.ask(), await at.ask()], ['other', 'other']);
    assert.deepEqual(at.seen, ['a at local', 'a at local', 'a at other', 'a at other']);
    assert.deepEqual(at.routes, [`127.0.0.1:${at.local.port} admin.conf`, `127.0.0.2:${at.other.port} admin.conf`]);
  });

  test('super-admin.conf while admin.conf has no rights; nobody is asked twice in vain', async () => {
    await using at = await openNode({ admin: 'a', superAdmin: 's' });
    at.refuse.set('a', 403);
    assert.deepEqual([await at.ask(), await at.ask()], ['local', 'local']);
    assert.deepEqual(at.seen, ['a at local', 's at local', 's at local']);
    at.refuse.set('s', 401);
    at.refuse.delete('a');
    assert.equal(await at.ask(), 'local');
  });

  test('a call on the side finds its own way, and changes that of no other', async () => {
    await using at = await openNode({ admin: 'a', superAdmin: 's' });
    assert.equal(await at.ask(), 'local');
    at.refuse.set('a', 403);
    assert.equal(await at.ask(true), 'local');
    at.refuse.clear();
    assert.equal(await at.ask(), 'local');
    assert.deepEqual(at.seen, ['a at local', 'a at local', 's at local', 'a at local']);
    assert.deepEqual(at.routes, [`127.0.0.1:${at.local.port} admin.conf`]);
  });

  test('when nobody has rights, the first refusal counts, and the next call tries again', async () => {
    await using at = await openNode({ admin: 'a', superAdmin: 's' });
    at.refuse.set('a', 403).set('s', 401);
    assert.equal(await at.ask(), 'forbidden');
    at.refuse.clear();
    assert.equal(await at.ask(), 'local');
  });

  test('what the server says about the call itself is no reason to ask another', async () => {
    await using at = await openNode({ admin: 'a' });
    at.refuse.set('local', 409);
    assert.equal(await at.ask(), 'conflict');
    at.refuse.set('local', 500);
    assert.equal(await at.ask(), 'server-error');
    assert.deepEqual(at.seen, ['a at local', 'a at local']);
  });

  test('what nobody listens on is unreachable', async () => {
    const at = await open(() => {});
    await at[Symbol.asyncDispose]();
    using client = createKubernetesClient({ resolver: createResolver(), clock, kubeconfig: at.kubeconfig });
    const answer = await client.request({ method: 'GET', path: '/', timeout });
    assert.equal(refusalOf(answer), 'unreachable');
    assert.match(detailOf(answer), /ECONNREFUSED/);
  });
});

function json(response: ServerResponse, status: number, body: JsonObject): void {
  response.writeHead(status).end(JSON.stringify(body));
}

function pour(response: ServerResponse): void {
  while (!response.destroyed && response.write(mebibyte));
  response.once('drain', () => pour(response));
}

function refusalOf(answer: ApiAnswer | StreamEnd): string {
  return answer.ok ? 'ok' : answer.refusal;
}

function detailOf(answer: ApiAnswer): string {
  return answer.ok ? '' : answer.detail;
}
