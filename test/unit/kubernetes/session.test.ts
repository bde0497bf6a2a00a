import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type ApiAnswer,
  createKubernetesClient,
  type KubernetesClientOptions,
} from '../../../src/kubernetes/client.js';
import { loadClusterCa } from '../../../src/kubernetes/credentials.js';
import { kubeconfigText } from '../../../src/lab/api/kubeconfig.js';
import { listen } from '../../../src/lab/api/listener.js';
import { type Authority, type Certificate, createAuthority } from '../../../src/lab/certificates.js';
import type { Ip } from '../../../src/net/ip.js';
import { millis } from '../../../src/time/instant.js';
import { createSystemClock } from '../../../src/time/system-clock.js';
import { createFakeResolver } from '../../fakes/resolver.js';
import { until } from '../../netns/poll.js';

// What reads credentials and addresses hangs: a resolver, a program, a file. No call waits for it longer than it must.

const name = 'cp.example';
const virtual = '10.0.0.100' as Ip;
const minute = 60_001;
let authority: Authority;
let certificate: Certificate;
let folder: string;
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vipd-session-'));
  authority = await createAuthority('test authority', new Date());
  certificate = await authority.issue({ commonName: 'test', ips: ['127.0.0.1'], dnsNames: [name] });
});
after(() => rm(folder, { recursive: true, force: true }));

/** This node's API server, a kubeconfig that names it `cp.example`, and a resolver that answers when the test says. */
async function open(
  onRequest: RequestListener = (_, response) => void response.end('{}'),
  options: Partial<KubernetesClientOptions> = {},
) {
  const listener = await listen({ host: '127.0.0.1', port: 0, certificate }, onRequest);
  const kubeconfig = join(folder, `kubeconfig-${count++}`);
  const good = kubeconfigText({ server: `https://${name}:${listener.port}`, caPem: authority.caPem, token: 'first' });
  await writeFile(kubeconfig, good);
  let later = 0;
  const clock = createSystemClock(() => performance.now() + later);
  const resolver = createFakeResolver();
  const localPort = listener.port;
  const client = createKubernetesClient({ clock, kubeconfig, resolver, localPort, virtualIps: [virtual], ...options });
  return {
    resolver,
    kubeconfig,
    good,
    /** Time passes, and no timer notices. */
    skip(milliseconds: number) {
      later += milliseconds;
    },
    /** What a call says, and how many milliseconds it took. */
    async ask(timeout = 3_000): Promise<[string, number]> {
      const started = performance.now();
      const answer = await client.request({ method: 'GET', path: '/', timeout: millis(timeout) });
      return [say(answer), performance.now() - started];
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await listener[Symbol.asyncDispose]();
    },
  };
}

function say(answer: ApiAnswer): string {
  return answer.ok ? 'ok' : `${answer.refusal}: ${answer.detail}`;
}

test('a resolver that dies later costs no call any time, minute after minute; the name stays virtual', async () => {
  await using at = await open();
  const first = at.ask();
  await until(() => at.resolver.asked.length === 1, { what: 'the first look-up' });
  await at.resolver.answer({ ok: true, ips: [virtual] });
  assert.equal((await first)[0], 'ok');
  for (let i = 0; i < 5; i++) {
    at.skip(minute);
    for (let j = 0; j < 3; j++) {
      const [said, took] = await at.ask();
      assert.equal(said, 'ok');
      // The look-up's own bound is 0.8 s.
      assert.ok(took < 700, `${took} ms`);
    }
    assert.deepEqual(at.resolver.asked, [name]);
  }
});

test('a resolver that is dead from the start holds up the first call by its bound, and no other', async () => {
  await using at = await open();
  const [said, took] = await at.ask();
  assert.equal(said, 'ok');
  assert.ok(took >= 799 && took < 2_500, `${took} ms`);
  for (let i = 0; i < 3; i++) {
    const [again, while_] = await at.ask();
    assert.equal(again, 'ok');
    assert.ok(while_ < 700, `${while_} ms`);
  }
});

test('a server elsewhere is reached at its last address when the resolver has died and the connection is gone', async () => {
  await using at = await open((_, response) => void response.setHeader('Connection', 'close').end('{}'), {
    localPort: undefined,
  });
  const first = at.ask();
  // Once for the routes, once for the connection.
  for (let i = 0; i < 2; i++) {
    await until(() => at.resolver.asked.length === 1, { what: 'a look-up' });
    await at.resolver.answer({ ok: true, ips: ['127.0.0.1' as Ip] });
  }
  assert.equal((await first)[0], 'ok');
  const [said, took] = await at.ask();
  assert.equal(said, 'ok');
  assert.ok(took < 2_000, `${took} ms`);
  const [again, soon] = await at.ask();
  assert.equal(again, 'ok');
  assert.ok(soon < 700, `${soon} ms`);
  assert.deepEqual(at.resolver.asked, [name]);
});

test("a VIP's own name is virtual without asking, in capitals and with a dot too", async () => {
  for (const virtualNames of [[name], ['CP.Example.']]) {
    await using at = await open(undefined, { virtualNames, localPort: undefined, virtualIps: [] });
    assert.equal((await at.ask())[0], 'ok');
    assert.deepEqual(at.resolver.asked, []);
  }
});

test('a call whose time is over is not sent', async () => {
  const seen: unknown[] = [];
  await using at = await open((request, response) => {
    seen.push(request.url);
    response.end('{}');
  });
  assert.match((await at.ask(100))[0], /^timeout: no credentials in time/);
  assert.equal((await at.ask())[0], 'ok');
  for (const timeout of [0, -5]) assert.match((await at.ask(timeout))[0], /^timeout: the time of this call was over/);
  assert.deepEqual(seen, ['/']);
});

test('a credential program that hangs: calls go on as they were, and a refused one waits half its time', async () => {
  let status = 200;
  await using at = await open((_, response) => void response.writeHead(status).end('{}'), { virtualNames: [name] });
  const command = join(folder, 'plugin');
  const write = async (script: string) => {
    await writeFile(command, `#!/bin/sh\n${script}\n`);
    await chmod(command, 0o755);
  };
  await write(`echo '{"status":{"token":"t"}}'`);
  await writeFile(at.kubeconfig, at.good.replace(/token: .*/, `exec: { apiVersion: v1, command: ${command} }`));
  assert.equal((await at.ask())[0], 'ok');
  await write('exec sleep 20');
  at.skip(minute);
  const [said, took] = await at.ask();
  assert.equal(said, 'ok');
  assert.ok(took < 700, `${took} ms`);
  status = 401;
  const [refusal, waited] = await at.ask(1_000);
  assert.match(refusal, /^unauthorized/);
  assert.ok(waited > 450 && waited < 900, `${waited} ms`);
});

test('a call that is under way when the credentials change has its answer, and is made once', async () => {
  const seen: unknown[] = [];
  let release: (() => void) | undefined;
  await using at = await open(
    (request, response) => {
      seen.push(request.headers.authorization);
      if (seen.length === 2) release = () => void response.end('{}');
      else response.end('{}');
    },
    { virtualNames: [name] },
  );
  assert.equal((await at.ask())[0], 'ok');
  await writeFile(at.kubeconfig, at.good.replace('token: first', 'token: second'));
  at.skip(minute);
  const slow = at.ask();
  await until(() => release !== undefined, { what: 'the slow call' });
  await until(async () => (await at.ask())[0] === 'ok' && seen.at(-1) === 'Bearer second', { what: 'the new token' });
  release?.();
  assert.equal((await slow)[0], 'ok');
  assert.equal(seen.filter((token) => token === 'Bearer first').length, seen.indexOf('Bearer second'));
});

test('a FIFO instead of a file is refused at once, with its name', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const plain = join(folder, 'plain');
  await writeFile(plain, 'x');
  await using at = await open(undefined, { virtualNames: [name] });
  const user = (text: string) => at.good.replace(/token: .*/, text);
  const refusal = new RegExp(`unauthorized.*${fifo} is not a regular file`);
  for (const text of [
    at.good.replace(/certificate-authority-data: .*/, `certificate-authority: ${fifo}`),
    user(`tokenFile: fifo`),
    user(`token-file: ${fifo}`),
    user(`client-certificate: ${fifo}`),
    user(`client-key: ${fifo}`),
  ]) {
    await writeFile(at.kubeconfig, text);
    assert.match((await at.ask())[0], refusal, text);
  }
  await writeFile(at.kubeconfig, at.good.replace(/certificate-authority-data: .*/, `certificate-authority: ${fifo}`));
  const ca = loadClusterCa({ kubeconfig: at.kubeconfig });
  assert.match(ca.ok ? '' : ca.detail, /not a regular file/);
  await rm(at.kubeconfig);
  execFileSync('mkfifo', [at.kubeconfig]);
  assert.match((await at.ask())[0], /is not a regular file/);
  await rm(at.kubeconfig);
  await writeFile(at.kubeconfig, at.good);
  assert.equal((await at.ask())[0], 'ok');
});

test('an auth-provider that would stop the process is refused, with its name', async () => {
  await using at = await open(undefined, { virtualNames: [name] });
  for (const provider of ['gcp', 'azure', 'exec']) {
    const user = `auth-provider: { name: ${provider}, config: { cmd-path: /bin/true } }`;
    await writeFile(at.kubeconfig, at.good.replace(/token: .*/, user));
    assert.match((await at.ask())[0], new RegExp(`the auth-provider ${provider} of the kubeconfig is no longer`));
  }
});
