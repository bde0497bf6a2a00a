import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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
import type { Clock } from '../../../src/time/clock.js';
import { between, millis } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';
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
  // It stands still: whoever waits for a time, waits for the test.
  const clock = createFakeClock();
  const waits: number[] = [];
  const watched: Clock = {
    ...clock,
    at(instant, action) {
      waits.push(between(clock.now(), instant));
      return clock.at(instant, action);
    },
  };
  const resolver = createFakeResolver();
  const localPort = listener.port;
  const client = createKubernetesClient({
    clock: watched,
    kubeconfig,
    resolver,
    localPort,
    virtualIps: [virtual],
    ...options,
  });
  return {
    resolver,
    kubeconfig,
    good,
    clock,
    /** For how long anything was waited for. */
    waits,
    async ask(timeout = 3_000): Promise<string> {
      return say(await client.request({ method: 'GET', path: '/', timeout: millis(timeout) }));
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
  assert.equal(await first, 'ok');
  for (let i = 0; i < 5; i++) {
    at.clock.advance(minute);
    for (let j = 0; j < 3; j++) assert.equal(await at.ask(), 'ok');
    assert.deepEqual(at.resolver.asked, [name]);
  }
});

test('a resolver that is dead from the start holds up the first call by its bound, and no other', async () => {
  await using at = await open();
  const first = at.ask();
  await until(() => at.resolver.asked.length === 1, { what: 'the look-up' });
  at.clock.advance(799);
  assert.equal(await Promise.race([first, setImmediate('waits')]), 'waits');
  at.clock.advance(1);
  assert.equal(await first, 'ok');
  for (let i = 0; i < 3; i++) assert.equal(await at.ask(), 'ok');
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
  assert.equal(await first, 'ok');
  const second = at.ask();
  await until(() => at.resolver.asked.length === 1, { what: 'the look-up' });
  at.clock.advance(800);
  assert.equal(await second, 'ok');
  assert.equal(await at.ask(), 'ok');
  assert.deepEqual(at.resolver.asked, [name]);
});

test("a VIP's own name is virtual without asking, in capitals and with a dot too", async () => {
  for (const virtualNames of [[name], ['CP.Example.']]) {
    await using at = await open(undefined, { virtualNames, localPort: undefined, virtualIps: [] });
    assert.equal(await at.ask(), 'ok');
    assert.deepEqual(at.resolver.asked, []);
  }
});

test('a call whose time is over is not sent', async () => {
  const seen: unknown[] = [];
  await using at = await open((request, response) => {
    seen.push(request.url);
    response.end('{}');
  });
  const first = at.ask(100);
  await until(() => at.resolver.asked.length === 1, { what: 'the look-up' });
  at.clock.advance(100);
  assert.match(await first, /^timeout: no credentials in time/);
  at.clock.advance(700);
  assert.equal(await at.ask(), 'ok');
  for (const timeout of [0, -5]) assert.match(await at.ask(timeout), /^timeout: the time of this call was over/);
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
  assert.equal(await at.ask(), 'ok');
  await write('exec sleep 1000');
  at.clock.advance(minute);
  assert.equal(await at.ask(), 'ok');
  status = 401;
  const refused = at.ask(1_000);
  await until(() => at.waits.includes(500), { what: 'the wait for other credentials' });
  at.clock.advance(500);
  assert.match(await refused, /^unauthorized/);
  // Ends the program.
  at.clock.advance(10_000);
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
  assert.equal(await at.ask(), 'ok');
  await writeFile(at.kubeconfig, at.good.replace('token: first', 'token: second'));
  at.clock.advance(minute);
  const slow = at.ask();
  await until(() => release !== undefined, { what: 'the slow call' });
  await until(async () => (await at.ask()) === 'ok' && seen.at(-1) === 'Bearer second', { what: 'the new token' });
  release?.();
  assert.equal(await slow, 'ok');
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
    assert.match(await at.ask(), refusal, text);
  }
  await writeFile(at.kubeconfig, at.good.replace(/certificate-authority-data: .*/, `certificate-authority: ${fifo}`));
  const ca = loadClusterCa({ kubeconfig: at.kubeconfig });
  assert.match(ca.ok ? '' : ca.detail, /not a regular file/);
  await rm(at.kubeconfig);
  execFileSync('mkfifo', [at.kubeconfig]);
  assert.match(await at.ask(), /is not a regular file/);
  await rm(at.kubeconfig);
  await writeFile(at.kubeconfig, at.good);
  assert.equal(await at.ask(), 'ok');
});

test('an auth-provider that would stop the process is refused, with its name', async () => {
  await using at = await open(undefined, { virtualNames: [name] });
  for (const provider of ['gcp', 'azure', 'exec']) {
    const user = `auth-provider: { name: ${provider}, config: { cmd-path: /bin/true } }`;
    await writeFile(at.kubeconfig, at.good.replace(/token: .*/, user));
    assert.match(await at.ask(), new RegExp(`the auth-provider ${provider} of the kubeconfig is no longer`));
  }
});
