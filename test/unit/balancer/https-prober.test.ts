import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { before, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import type { CheckResult } from '../../../src/balancer/health.js';
import { createHttpsProber, type HttpsCheck } from '../../../src/balancer/https-prober.js';
import { createTrust } from '../../../src/balancer/trust.js';
import { type Authority, type Certificate, createAuthority } from '../../../src/lab/certificates.js';
import type { Ip } from '../../../src/net/ip.js';
import { millis } from '../../../src/time/instant.js';
import { createSystemClock } from '../../../src/time/system-clock.js';

const clock = createSystemClock(() => performance.now());
const address = '127.0.0.1' as Ip;
const never = new AbortController().signal;
let authority: Authority;
let certificate: Certificate;

before(async () => {
  authority = await createAuthority('kubernetes', new Date());
  certificate = await authority.issue({ commonName: 'cp1', ips: [address], dnsNames: ['kubernetes'] });
});

interface Place extends AsyncDisposable {
  readonly port: number;
  /** Every connection that it took. */
  readonly sockets: readonly Socket[];
  /** All of them are closed. */
  closed(): Promise<unknown>;
}

async function open(server: Server): Promise<Place> {
  const sockets: Socket[] = [];
  const closings: Promise<unknown>[] = [];
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    closings.push(new Promise((resolve) => socket.once('close', resolve)));
    sockets.push(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    closed: () => Promise.all(closings),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function https(listener: RequestListener, { certPem, keyPem }: Certificate = certificate): Promise<Place> {
  return open(createHttpsServer({ cert: certPem, key: keyPem }, listener));
}

function tcp(use: (socket: Socket) => void): Promise<Place> {
  return open(createServer((socket) => use(socket.resume())));
}

/** TLS, and inside it no HTTP server. */
function tls(use: (socket: Socket) => void): Promise<Place> {
  const { certPem, keyPem } = certificate;
  return open(createTlsServer({ cert: certPem, key: keyPem }, (socket) => use(socket.on('error', () => {}).resume())));
}

function answering(status: number, body = 'ok'): RequestListener {
  return (_, response) => void response.writeHead(status).end(body);
}

function prober(check: Partial<HttpsCheck> = {}) {
  const trust = createTrust(() => ({ ok: true, pem: authority.caPem }), clock);
  return createHttpsProber(
    { path: '/readyz', serverName: undefined, aliveStatuses: [200, 401], trust, ...check },
    clock,
  );
}

function probe(port: number, check: Partial<HttpsCheck> = {}, timeout = 5000): Promise<CheckResult> {
  return prober(check)({ name: 'a', ip: address, port }, millis(timeout), never);
}

function because(result: CheckResult): string {
  return result.ok ? 'ok' : result.because;
}

/** Checks a server once, and that it saw one connection, which is closed afterwards. */
async function probeOnce(place: Place, check: Partial<HttpsCheck> = {}, timeout = 5000): Promise<CheckResult> {
  await using _place = place;
  const result = await probe(place.port, check, timeout);
  assert.equal(place.sockets.length, 1);
  await place.closed();
  return result;
}

test('GET path over TLS with 200 is ok: one connection, one request, both ended in good order', async () => {
  const requests: string[] = [];
  let errors = 0;
  const place = await https((request, response) => {
    const { method, url, headers } = request;
    requests.push(`${method} ${url} ${headers.host?.replace(/:\d+$/, '')} ${headers.connection}`);
    request.socket.on('error', () => errors++);
    response.end('ok');
  });
  assert.deepEqual(await probeOnce(place, { path: '/readyz?verbose' }), { ok: true });
  assert.deepEqual(requests, ['GET /readyz?verbose 127.0.0.1 close']);
  assert.equal(errors, 0);
});

test('200 always is alive, other statuses where they are listed', async () => {
  const verdict = async (status: number, aliveStatuses: readonly number[]) =>
    because(await probeOnce(await https(answering(status)), { aliveStatuses }));
  assert.equal(await verdict(200, [204]), 'ok');
  assert.equal(await verdict(401, [200, 401]), 'ok');
  assert.equal(await verdict(403, [200, 401]), 'status-403');
  assert.equal(await verdict(403, [200, 401, 403]), 'ok');
  assert.equal(await verdict(500, [200, 401]), 'status-500');
  assert.equal(await verdict(301, [200, 401]), 'status-301');
});

test('certificates are verified: CA, name, time; insecure takes any', async () => {
  const verdict = async (other: Certificate, check: Partial<HttpsCheck> = {}) =>
    because(await probeOnce(await https(answering(200), other), check));
  const stranger = await createAuthority('another', new Date());
  const namesake = await createAuthority('kubernetes', new Date());
  const ips = [address];
  const foreign = await stranger.issue({ commonName: 'cp1', ips });
  assert.equal(await verdict(foreign), 'certificate-unknown-ca');
  assert.equal(await verdict(await namesake.issue({ commonName: 'cp1', ips })), 'certificate-unknown-ca');
  assert.equal(await verdict(foreign, { trust: 'insecure' }), 'ok');

  const elsewhere = await authority.issue({ commonName: 'cp1', ips: ['10.0.0.1'], dnsNames: ['kubernetes'] });
  assert.equal(await verdict(elsewhere), 'certificate-wrong-name');
  assert.equal(await verdict(elsewhere, { serverName: 'kubernetes' }), 'ok');
  assert.equal(await verdict(elsewhere, { serverName: '10.0.0.1' }), 'ok');
  assert.equal(await verdict(elsewhere, { serverName: 'example' }), 'certificate-wrong-name');

  const past = await createAuthority('kubernetes', new Date(Date.now() - 400 * 24 * 3_600_000));
  const trust = createTrust(() => ({ ok: true, pem: past.caPem }), clock);
  assert.equal(await verdict(await past.issue({ commonName: 'cp1', ips }), { trust }), 'certificate-expired');
});

test('the name is asked for in SNI, an address never is', async () => {
  const seen: unknown[] = [];
  const serve = () =>
    https((request, response) => {
      seen.push([
        (request.socket as unknown as { servername: unknown }).servername,
        request.headers.host?.split(':')[0],
      ]);
      response.end();
    });
  await probeOnce(await serve(), { serverName: 'kubernetes' });
  await probeOnce(await serve());
  assert.deepEqual(seen, [
    ['kubernetes', 'kubernetes'],
    [false, '127.0.0.1'],
  ]);
});

test('a half-dead server is a timeout, wherever it stops, and the detail says where', async () => {
  const verdict = async (place: Place) => {
    const began = performance.now();
    const result = await probeOnce(place, {}, 100);
    assert.ok(performance.now() - began < 1000);
    return result;
  };
  const waited = (what: string) => ({ ok: false, because: 'timeout', detail: `waited 100 ms for ${what}` });
  assert.deepEqual(await verdict(await tcp(() => {})), waited('TLS'));
  const silent = await https(() => {});
  assert.deepEqual(await verdict(silent), waited('an HTTP answer'));
  const unfinished = await https((_, response) => void response.writeHead(200).write('o'));
  assert.deepEqual(await verdict(unfinished), waited('the end of the answer'));
});

test('a CA that does not come is a timeout too, and one that cannot be had is named', async () => {
  const place = await https(answering(200));
  await using _place = place;
  const hanging = createTrust(() => new Promise(() => {}), clock);
  assert.deepEqual(await probe(place.port, { trust: hanging }, 50), {
    ok: false,
    because: 'timeout',
    detail: 'waited 50 ms for the CA',
  });
  const absent = createTrust(() => ({ ok: false, detail: 'the kubeconfig has no CA' }), clock);
  assert.deepEqual(await probe(place.port, { trust: absent }), {
    ok: false,
    because: 'no-ca',
    detail: 'the kubeconfig has no CA',
  });
  assert.equal(place.sockets.length, 0);
});

test('what is no TLS, no HTTP, or no server has its own name', async () => {
  const plain = await tcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  assert.equal(because(await probeOnce(plain)), 'tls');
  const smtp = await tls((socket) => socket.end('220 mail ready\r\n'));
  assert.equal(because(await probeOnce(smtp)), 'http');
  const closing = await tcp((socket) => socket.end());
  assert.equal(because(await probeOnce(closing)), 'reset');
  const resetting = await tcp((socket) => socket.resetAndDestroy());
  assert.equal(because(await probeOnce(resetting)), 'reset');
  const broken = await https((_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('o', () => response.destroy());
  });
  assert.equal(because(await probeOnce(broken)), 'reset');
  const gone = await https(answering(200));
  await gone[Symbol.asyncDispose]();
  assert.equal(because(await probe(gone.port)), 'refused');
});

test('a body without end is read to its limit only: the status counts', async () => {
  let written = 0;
  const endless =
    (status: number): RequestListener =>
    (_, response) => {
      response.writeHead(status);
      const chunk = Buffer.alloc(16 * 1024);
      const more = () => {
        if (response.destroyed) return;
        written += chunk.length;
        response.write(chunk, more);
      };
      more();
    };
  assert.equal(because(await probeOnce(await https(endless(200)))), 'ok');
  assert.equal(because(await probeOnce(await https(endless(500)))), 'status-500');
  assert.ok(written < 64 * 1024 * 1024, `${written} bytes`);
});

test('a check that is given up leaves no connection', async () => {
  const place = await https(() => {});
  await using _place = place;
  const end = new AbortController();
  const result = prober()({ name: 'a', ip: address, port: place.port }, millis(60_000), end.signal);
  while (place.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
  end.abort();
  assert.equal(because(await result), 'error');
  await place.closed();
});

test('whatever bytes a server sends, the check ends with a result', async () => {
  let bytes: Uint8Array = new Uint8Array();
  const plain = await tcp((socket) => socket.end(bytes));
  const inside = await tls((socket) => socket.end(bytes));
  await using _plain = plain;
  await using _inside = inside;
  const record = fc.uint8Array({ maxLength: 60 }).map((rest) => Uint8Array.of(22, 3, 3, 0, rest.length, ...rest));
  const http = fc.string({ maxLength: 60 }).map((text) => Buffer.from(`HTTP/1.1 ${text}\r\n\r\n`));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), record, http), async (sent) => {
      bytes = sent;
      for (const { port } of [plain, inside]) {
        const result = await probe(port, { aliveStatuses: [] });
        if (!result.ok) assert.match(result.detail ?? '', /^[^\n]{1,300}$/);
      }
    }),
    { numRuns: 60 },
  );
});
