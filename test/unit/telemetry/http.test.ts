import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { healthPages, startWebServer, telemetryPages, type WebServerOptions } from '../../../src/telemetry/http.js';
import { millis } from '../../../src/time/instant.js';
import { statusExample, vipExample } from './status-example.js';

const good = { ok: true, reasons: [] };

type Source = Parameters<typeof telemetryPages>[0];

function start(change: Partial<Source & Pick<WebServerOptions, 'listen' | 'patience'>> = {}) {
  const { listen = { host: '127.0.0.1', port: 0 }, patience = millis(5000), ...source } = change;
  const pages = telemetryPages({
    metrics: { render: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'x 1\n' }) },
    status: () => statusExample,
    live: () => good,
    ready: () => good,
    ...source,
  });
  return startWebServer({ listen, setting: 'metrics.listen (--metrics-listen)', pages, patience });
}

async function get(port: number, path: string, method = 'GET') {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  return { code: response.status, headers: response.headers, text: await response.text() };
}

test('metrics, probes and the page are served', async () => {
  await using server = await start();
  assert.deepEqual((await get(server.port, '/metrics')).text, 'x 1\n');
  assert.equal((await get(server.port, '/livez')).text, 'ok\n');
  assert.equal((await get(server.port, '/readyz?verbose')).code, 200);
  const page = await get(server.port, '/');
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  for (const word of ['vipd on cp1', '192.168.1.100/32 on eth0', 'cp2', 'lease-free'])
    assert.ok(page.text.includes(word), word);
});

test('a probe that fails says why', async () => {
  const bad = (reason: string) => ({ ok: false, reasons: [reason] });
  await using server = await start({ live: () => bad('the loop hangs'), ready: () => bad('api: no backend is up') });
  const live = await get(server.port, '/livez');
  assert.deepEqual([live.code, live.text], [503, 'not ok\nthe loop hangs\n']);
  assert.equal((await get(server.port, '/readyz')).text, 'not ok\napi: no backend is up\n');
});

test('other paths and methods are refused, HEAD has no body', async () => {
  await using server = await start();
  for (const path of ['/nothing', '/metrics/', '/__proto__', '/constructor', '//']) {
    assert.equal((await get(server.port, path)).code, 404, path);
  }
  const post = await get(server.port, '/metrics', 'POST');
  assert.deepEqual([post.code, post.headers.get('allow')], [405, 'GET, HEAD']);
  const head = await get(server.port, '/metrics', 'HEAD');
  assert.deepEqual([head.code, head.text, head.headers.get('content-length')], [200, '', '4']);
});

test('nothing that others write into the cluster becomes markup', async () => {
  const hostile = `<script>alert("1")</script>&'`;
  const vip = {
    ...vipExample,
    name: hostile,
    leader: hostile,
    because: hostile,
    interface: hostile,
    addresses: [hostile],
  };
  await using server = await start({ status: () => ({ node: hostile, version: hostile, vips: [vip] }) });
  const { text } = await get(server.port, '/');
  assert.ok(!text.includes('<script>'));
  assert.ok(text.includes('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;'));
});

test('an error while the page is made is a 500, not the end', async () => {
  await using server = await start({
    status: () => {
      throw new Error('broken');
    },
  });
  assert.equal((await get(server.port, '/')).code, 500);
  assert.equal((await get(server.port, '/livez')).code, 200);
});

test('a server for probes alone has nothing else', async () => {
  const bad = { ok: false, reasons: ['the loop hangs'] };
  const pages = healthPages({ live: () => bad, ready: () => good });
  await using server = await startWebServer({
    listen: { host: '127.0.0.1', port: 0 },
    setting: 'health.listen',
    pages,
  });
  const codes = [];
  for (const path of ['/livez', '/healthz', '/readyz', '/metrics', '/'])
    codes.push((await get(server.port, path)).code);
  assert.deepEqual(codes, [503, 503, 200, 404, 404]);
  assert.equal((await get(server.port, '/')).text, 'not found; there are /livez, /readyz, /healthz\n');
});

test('a port that is taken is refused with the setting to change', async () => {
  await using server = await start();
  await assert.rejects(start({ listen: { host: '127.0.0.1', port: server.port } }), {
    message: `metrics.listen (--metrics-listen): cannot listen on 127.0.0.1:${server.port}: another process listens there; free the port, choose another or write off`,
  });
  await assert.rejects(start({ listen: { host: '192.0.2.1', port: 0 } }), /the address is not on this host/);
});

test('who does not finish a request is cut off, and others are answered meanwhile', async () => {
  await using server = await start({ patience: millis(100) });
  const slow = connect(server.port, '127.0.0.1');
  slow.write('GET /metrics HTTP/1.1\r\nHost: x\r\n');
  slow.resume();
  assert.equal((await get(server.port, '/livez')).code, 200);
  await once(slow, 'close');
});
