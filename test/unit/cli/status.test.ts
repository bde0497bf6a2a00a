import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startAdminServer } from '../../../src/admin/server.js';
import type { Output } from '../../../src/cli/command.js';
import { runCli } from '../../../src/cli/index.js';
import { backendsText, statusLines, statusText } from '../../../src/cli/status-text.js';
import type { DaemonStatus, VrrpStatus } from '../../../src/vip/status.js';
import { createFakeControl } from '../admin/fake-control.js';
import { statusExample, vipExample } from '../telemetry/status-example.js';
import { createFakeIo, run } from './fake-io.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-status-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = () => join(folder, `${count++}.sock`);
const now = new Date('2024-01-01T00:03:12.500Z');

test('people see who leads, why, and every backend', () => {
  assert.equal(
    statusText(statusExample, now),
    `node cp1, vipd 1.2.3

api  192.168.1.100/32 on eth0
  role      leader
  leader    cp1 (this node)
  since     3m 12s ago (2024-01-01T00:00:00.000Z)
  because   lease-free
  held      yes
  balancer  proxy on 6443, 8443 (configured)

  backend  address             state  connections  last check
  cp1      192.168.1.101:6443  up     12           ok, 1s ago
  cp2      192.168.1.102:6443  down   0            not yet
`,
  );
});

test('weights are shown where there are any', () => {
  const { loadBalancer } = vipExample;
  const backends = loadBalancer.backends.map((backend, index) => ({ ...backend, weight: 3 - index }));
  const vips = [{ ...vipExample, loadBalancer: { ...loadBalancer, backends } }];
  const text = statusText({ ...statusExample, vips }, now);
  assert.equal(
    text.slice(text.indexOf('backend  ')).replace(/^ +/gm, ''),
    `backend  address             weight  state  connections  last check
cp1      192.168.1.101:6443  3       up     12           ok, 1s ago
cp2      192.168.1.102:6443  2       down   0            not yet
`,
  );
  const [, cp1, , other] = backendsText([...vips, { ...vipExample, name: 'web' }], now).split('\n');
  assert.match(`${cp1}\n${other}`, /^api {2}cp1 .* 3 {7}up .*\nweb {2}cp1 .* 1 {7}up /);
});

test('VRRP: the state, and what the priority comes from', () => {
  const line = (vrrp: VrrpStatus) =>
    /vrrp +(.*)/.exec(statusText({ ...statusExample, vips: [{ ...vipExample, vrrp }] }, now))?.[1];
  const master = { address: '192.168.1.11', priority: 101 };
  const vrrp = { state: 'BACKUP', priority: 38, configuredPriority: 100, master } as const;
  assert.equal(
    line({ ...vrrp, because: ['script check: -2', 'no backend up: -60'] }),
    'BACKUP, priority 38 (100; script check: -2; no backend up: -60), master 192.168.1.11 has 101',
  );
  assert.equal(line({ ...vrrp, state: 'MASTER', priority: 100, because: [] }), 'MASTER, priority 100');
});

test('times are told as people tell them', () => {
  const since = (seconds: number) => {
    const status = {
      ...statusExample,
      vips: [{ ...vipExample, since: new Date(now.getTime() - seconds * 1000).toISOString() }],
    };
    return /since +(.*) \(/.exec(statusText(status, now))?.[1];
  };
  assert.deepEqual([-3, 0.5, 59, 60, 3600, 3725, 90_000, 10 * 86400].map(since), [
    'just now',
    'just now',
    '59s ago',
    '1m ago',
    '1h ago',
    '1h 2m ago',
    '1d 1h ago',
    '10d ago',
  ]);
});

test('no text from the cluster steers the terminal', () => {
  const hostile = '\x1b]0;owned\x07\n\u009b2J';
  const vip = {
    ...vipExample,
    leader: hostile,
    because: hostile,
    loadBalancer: { ...vipExample.loadBalancer, because: hostile },
  };
  const status: DaemonStatus = { node: hostile, version: hostile, vips: [vip] };
  for (const line of [...statusText(status, now).split('\n'), ...statusLines(status)])
    assert.doesNotMatch(line, /\p{Cc}/u);
});

test('status prints the page or JSON and exits with 0', async () => {
  const path = newPath();
  await using _ = await startAdminServer({ path, control: createFakeControl() });
  const text = await run(`status --admin-socket ${path}`);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /^node cp1, vipd 1\.2\.3\n/);
  const json = await run('status --json', { environment: { VIPD_ADMIN_SOCKET: path } });
  assert.deepEqual([json.code, JSON.parse(json.stdout)], [0, JSON.parse(JSON.stringify(statusExample))]);
});

test('status exits with 3 when no daemon runs, with 2 for a wrong setting', async () => {
  const path = newPath();
  assert.deepEqual(await run(`status --admin-socket ${path}`), {
    code: 3,
    stdout: '',
    stderr: `vipd: vipd is not running (no answer on ${path})\n`,
    started: [],
  });
  assert.equal((await run('status --admin-socket relative')).code, 2);
});

test('status exits with 1 when what answers is not vipd', async () => {
  const path = newPath();
  const server = createServer((socket) => socket.end('hello\n'));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { code, stderr } = await run(`status --admin-socket ${path}`);
  server.close();
  assert.equal(code, 1);
  assert.match(stderr, /^vipd: vipd did not answer on /);
});

/** Runs `status --watch` and calls `onText` with each text it prints; a second passes after each answer. */
async function watch(
  flags: string[],
  path: string,
  isTerminal: boolean,
  onText: (text: string, stop: () => void) => void,
) {
  const stop = new AbortController();
  const stdout: Output = { write: (text) => onText(text, () => stop.abort()), isTerminal };
  const io = createFakeIo({ stdout, stop: stop.signal });
  const passing = setInterval(() => io.clock.advance(1000), 5);
  const code = await runCli(['status', '--watch', '--admin-socket', path, ...flags], io);
  clearInterval(passing);
  return code;
}

test('watching prints a line for each change, and goes on when the daemon goes', { timeout: 10_000 }, async () => {
  const path = newPath();
  let status: DaemonStatus = statusExample;
  const server = await startAdminServer({ path, control: createFakeControl({ status: () => status }) });
  const lines: string[] = [];
  const code = await watch([], path, false, (text, stop) => {
    lines.push(text.replace(/^\S+ /, ''));
    if (lines.length === 1)
      status = {
        ...status,
        vips: [{ ...vipExample, role: 'follower', leader: 'cp2', held: false, because: 'lease-held' }],
      };
    if (lines.length === 2) void server[Symbol.asyncDispose]();
    if (lines.length === 3) stop();
  });
  assert.equal(code, 0);
  assert.deepEqual(lines, [
    'api: leader, leader cp1, held here, 1 of 2 backends up, because lease-free\n',
    'api: follower, leader cp2, not held here, 1 of 2 backends up, because lease-held\n',
    `vipd is not running (no answer on ${path})\n`,
  ]);
});

test('watching draws the page anew on a terminal, and prints JSON lines when asked', { timeout: 10_000 }, async () => {
  const path = newPath();
  await using _ = await startAdminServer({ path, control: createFakeControl() });
  const pages: string[] = [];
  await watch([], path, true, (text, stop) => {
    pages.push(text);
    if (pages.length === 2) stop();
  });
  assert.equal(pages.length, 2);
  for (const page of pages) assert.ok(page.startsWith('\x1b[H\x1b[2Jnode cp1, vipd 1.2.3\n'));
  await watch(['--json'], path, true, (text, stop) => {
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(statusExample)));
    stop();
  });
});
