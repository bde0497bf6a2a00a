import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthPages, startWebServer } from '../../../src/telemetry/http.js';
import { standWebServer } from '../../../src/telemetry/standing-server.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createRecordingLog } from '../../fakes/log.js';

const good = { ok: true, reasons: [] };
const pages = healthPages({ live: () => good, ready: () => good });
const host = '127.0.0.1';

test('a port that another process has does not stop the daemon, is told once, and is taken when it is free', async () => {
  const clock = createFakeClock();
  const { log, lines } = createRecordingLog();
  const other = await startWebServer({ listen: { host, port: 0 }, setting: 'other', pages });
  const { port } = other;
  await using server = await standWebServer(
    { listen: { host, port }, setting: 'health.listen', pages },
    { clock, log },
  );
  clock.advance(5000);
  await server.tried();
  assert.equal(lines.length, 1);
  assert.match(JSON.stringify(lines[0]), /health\.listen: cannot listen on 127\.0\.0\.1:\d+: another process listens/);
  await other[Symbol.asyncDispose]();
  clock.advance(5000);
  await server.tried();
  assert.equal((await fetch(`http://${host}:${port}/healthz`)).status, 200);
  assert.match(lines[1]?.message ?? '', /after all/);
});
