import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { askDraining, askReload, askStatus } from '../../../src/admin/client.js';
import type { ControlAnswer } from '../../../src/admin/control.js';
import { readDrainBody } from '../../../src/admin/drain-body.js';
import { startAdminServer } from '../../../src/admin/server.js';
import { createFakeControl } from './fake-control.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-control-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = () => join(folder, `${count++}.sock`);
const control = createFakeControl();

/** Writes bytes to the socket as they are; the whole answer. */
async function send(path: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(path);
  socket.on('error', () => {});
  socket.write(bytes);
  return text(socket);
}

function post(path: string, url: string, body: string | Uint8Array): Promise<string> {
  const head = `POST ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return send(path, Buffer.concat([Buffer.from(head), Buffer.from(body)]));
}

/** The HTTP status and the error's name. */
function summary(answer: string): string {
  const { error, refusal } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
  return `${/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]} ${error ?? refusal}`;
}

test('draining and resuming reach the daemon with backend and VIP, and its answer comes back', async () => {
  const path = newPath();
  const control = createFakeControl();
  await using _ = await startAdminServer({ path, control });
  const requests = [
    { backend: 'cp1', vip: undefined, draining: true },
    { backend: 'cp2.example', vip: 'api', draining: false },
  ];
  const answers = [];
  for (const request of requests) answers.push(await askDraining(path, request));
  assert.deepEqual(control.drained, requests);
  assert.deepEqual(answers, [
    { ok: true, answer: { ok: true, changes: ['api: cp1 draining'] } },
    { ok: true, answer: { ok: true, changes: ['api: cp2.example up'] } },
  ]);
});

test('a refusal comes back as it was said, whatever the reason', async () => {
  const refusals = ['unknown-backend', 'unknown-vip', 'invalid', 'needs-restart', 'failed'] as const;
  for (const refusal of refusals) {
    const answer: ControlAnswer = { ok: false, refusal, problems: ['one', 'two'] };
    const path = newPath();
    const control = createFakeControl({ reload: async () => answer, setDraining: () => answer });
    await using _ = await startAdminServer({ path, control });
    assert.deepEqual(await askReload(path), { ok: true, answer });
    assert.deepEqual(await askDraining(path, { backend: 'x', vip: undefined, draining: true }), { ok: true, answer });
  }
});

test('a reload may take its time; the status is told meanwhile, and a client that leaves does no harm', async () => {
  const path = newPath();
  let finish: (answer: ControlAnswer) => void = () => {};
  let asked = 0;
  const reload = () => {
    asked++;
    return new Promise<ControlAnswer>((resolve) => {
      finish = resolve;
    });
  };
  await using _ = await startAdminServer({ path, control: createFakeControl({ reload }) });
  const impatient = connect(path);
  impatient.write('POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n');
  while (asked < 1) assert.equal((await askStatus(path)).ok, true);
  impatient.destroy();
  await once(impatient, 'close');
  finish({ ok: true, changes: ['to nobody'] });
  const patient = askReload(path);
  while (asked < 2) assert.equal((await askStatus(path)).ok, true);
  finish({ ok: true, changes: ['log.level: info → debug'] });
  assert.deepEqual(await patient, { ok: true, answer: { ok: true, changes: ['log.level: info → debug'] } });
});

const hostileBodies: Readonly<Record<string, string | Uint8Array>> = {
  nothing: '',
  'no JSON': '{"backend": ',
  'no UTF-8': Buffer.from('7b226261636b656e64223a22ff227d', 'hex'),
  null: 'null',
  'a list': '[{"backend":"cp1"}]',
  'a text': '"cp1"',
  'no backend': '{}',
  'no name': '{"backend":""}',
  'a number': '{"backend":1}',
  'an object': '{"backend":{"toString":"x"}}',
  'a name that is too long': JSON.stringify({ backend: 'x'.repeat(254) }),
  'a VIP that is none': '{"backend":"cp1","vip":null}',
  'an unknown key': '{"backend":"cp1","draining":false}',
  'a prototype': '{"backend":"cp1","__proto__":{"vip":"api"}}',
  'something deep': '['.repeat(4000),
};

test('hostile bodies get one clear error, and drain nothing', async () => {
  const path = newPath();
  const control = createFakeControl();
  await using _ = await startAdminServer({ path, control });
  for (const [what, body] of Object.entries(hostileBodies)) {
    const answer = await post(path, '/v1/backends/drain', body);
    assert.equal(summary(answer), '400 bad-request', what);
    assert.match(
      answer,
      /; send \{\\"backend\\": \\"NAME\\"\}, and \\"vip\\": \\"NAME\\" for one VIP alone"\}\n$/,
      what,
    );
  }
  assert.equal(summary(await post(path, '/v1/backends/resume', ' '.repeat(4097))), '413 too-long');
  assert.equal(summary(await post(path, '/v1/backends/resume', Buffer.alloc(20 << 20))), '413 too-long');
  assert.equal(summary(await post(path, '/v1/reload', '{"force":true}')), '400 bad-request');
  assert.equal(
    summary(await send(path, 'GET /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')),
    '405 method-not-allowed',
  );
  assert.equal(summary(await post(path, '/v1/backends', '{"backend":"cp1"}')), '404 not-found');
  assert.deepEqual(control.drained, []);
});

test('a body that ends before it should, or is no HTTP, does the daemon no harm', async () => {
  const path = newPath();
  const control = createFakeControl();
  await using _ = await startAdminServer({ path, control });
  const cut = connect(path);
  cut.end('POST /v1/backends/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{"backend":"cp1"}');
  await text(cut);
  assert.match(await send(path, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(
    await send(path, 'POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n'),
    /^HTTP\/1\.1 400 /,
  );
  assert.equal((await askStatus(path)).ok, true);
  assert.deepEqual(control.drained, []);
});

test('no bytes make the reader of bodies throw; every request reads back', () => {
  const keys = fc.constantFrom('backend', 'vip', '__proto__', 'x');
  const values = fc.oneof(fc.string(), fc.string({ minLength: 250, maxLength: 260 }), fc.jsonValue());
  const bodies = fc.oneof(
    fc.dictionary(keys, values).map((value) => JSON.stringify(value)),
    fc.string(),
  );
  fc.assert(
    fc.property(bodies, (body) => {
      const read = readDrainBody(Buffer.from(body));
      if (read.ok) {
        assert.deepEqual({ vip: undefined, ...JSON.parse(body) }, read.target);
        return;
      }
      assert.ok(read.message.length < 200);
      assert.doesNotMatch(read.message, /\p{Cc}/u);
    }),
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => typeof readDrainBody(bytes).ok === 'boolean'));
  const names = fc.string({ minLength: 1, maxLength: 253, unit: 'grapheme-ascii' });
  fc.assert(
    fc.property(names, fc.option(names, { nil: undefined }), (backend, vip) => {
      const read = readDrainBody(Buffer.from(JSON.stringify({ backend, vip })));
      assert.deepEqual(read, { ok: true, target: { backend, vip } });
    }),
  );
});

test('answers that are none of vipd are refused, with what was said if it is a sentence', async () => {
  const isNone = /is not vipd; give its socket with --admin-socket$/;
  const answers: [number, string, RegExp][] = [
    [200, '{"ok":true}', isNone],
    [200, '{"ok":true,"changes":[1]}', isNone],
    [200, '{"ok":false,"refusal":"x"}', isNone],
    [200, 'null', isNone],
    [200, 'nonsense', /did not answer on .*JSON/],
    [404, '{"error":"not-found","message":"there is /v1/status"}', /HTTP status 404 \(there is \/v1\/status\)$/],
    [500, '7', /refused with HTTP status 500$/],
  ];
  const path = newPath();
  const server = createHttpServer((_request, response) => {
    const [code, body] = answers[0] ?? [];
    response.writeHead(code ?? 0).end(body);
  });
  server.listen(path);
  await once(server, 'listening');
  for (; answers.length > 0; answers.shift()) {
    const answered = await askReload(path);
    assert.ok(!answered.ok);
    assert.equal(answered.refusal, 'no-answer');
    assert.match(answered.message, answers[0]?.[2] ?? /never/);
  }
  server.close();
});

test('who asks for something when no daemon runs hears so', async () => {
  const path = newPath();
  const expected = { ok: false, refusal: 'not-running', message: `vipd is not running (no answer on ${path})` };
  assert.deepEqual(await askReload(path), expected);
  assert.deepEqual(await askDraining(path, { backend: 'cp1', vip: undefined, draining: true }), expected);
  await using _ = await startAdminServer({ path, control });
});
