import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Control, ControlAnswer } from '../../../src/admin/control.js';
import { startAdminServer } from '../../../src/admin/server.js';
import { backendsText } from '../../../src/cli/status-text.js';
import type { VipStatus } from '../../../src/vip/status.js';
import { createFakeControl } from '../admin/fake-control.js';
import { statusExample, vipExample } from '../telemetry/status-example.js';
import { run } from './fake-io.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-backend-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = () => join(folder, `${count++}.sock`);
const now = new Date('2024-01-01T00:03:12.500Z');

const [up, down] = vipExample.loadBalancer.backends;
assert.ok(up !== undefined && down !== undefined);
const web: VipStatus = {
  ...vipExample,
  name: 'web',
  loadBalancer: { ...vipExample.loadBalancer, backends: [{ ...up, name: 'web-1', state: 'draining' }] },
};
const idle: VipStatus = { ...vipExample, name: 'idle', loadBalancer: { ...vipExample.loadBalancer, backends: [] } };

/** Runs a line with a daemon that has two VIPs with backends and one without. */
async function runWith(change: Partial<Control>, line: string) {
  const path = newPath();
  const status = () => ({ ...statusExample, vips: [vipExample, web, idle] });
  const control = createFakeControl({ status, ...change });
  await using _ = await startAdminServer({ path, control });
  const { code, stdout, stderr } = await run(line, { environment: { VIPD_ADMIN_SOCKET: path } });
  return { code, stdout, stderr, drained: control.drained };
}

test('the backends of all VIPs are one table', () => {
  assert.equal(
    backendsText([vipExample, web, idle], now),
    `VIP  backend  address             state     connections  last check
api  cp1      192.168.1.101:6443  up        12           ok, 1s ago
api  cp2      192.168.1.102:6443  down      0            not yet
web  web-1    192.168.1.101:6443  draining  12           ok, 1s ago
`,
  );
  assert.equal(backendsText([idle], now), 'no backends\n');
  const hostile = { ...down, name: '\x1b]0;owned\x07\n' };
  const vip = { ...web, loadBalancer: { ...web.loadBalancer, backends: [hostile] } };
  for (const line of backendsText([vip], now).trimEnd().split('\n')) assert.doesNotMatch(line, /\p{Cc}/u);
});

test('backend list prints the table, or JSON, of all VIPs or of one', async () => {
  const text = await runWith({}, 'backend list');
  assert.deepEqual([text.code, text.stderr], [0, '']);
  assert.match(text.stdout, /^VIP {2}backend .*\napi {2}cp1 .*\napi {2}cp2 .*\nweb {2}web-1 .*\n$/);
  const json = await runWith({}, 'backend list --json --vip web');
  assert.deepEqual(JSON.parse(json.stdout), [{ vip: 'web', ...up, name: 'web-1', state: 'draining' }]);
  assert.deepEqual(await runWith({}, 'backend list --vip wev'), {
    code: 1,
    stdout: '',
    stderr: 'vipd: there is no VIP "wev" (there are api, idle, web); did you mean web?\n',
    drained: [],
  });
});

test('drain and resume ask the daemon and print what changed', async () => {
  assert.deepEqual(await runWith({}, 'backend drain 007'), {
    code: 0,
    stdout: 'api: 007 draining\n',
    stderr: '',
    drained: [{ backend: '007', vip: undefined, draining: true }],
  });
  const { stdout, drained } = await runWith({}, 'backend resume cp1 --vip api');
  assert.equal(stdout, 'api: cp1 up\n');
  assert.deepEqual(drained, [{ backend: 'cp1', vip: 'api', draining: false }]);
});

test('what is so already is said, and is no failure', async () => {
  const answers = { setDraining: () => ({ ok: true, changes: [] }) as const };
  for (const [line, said] of [
    ['backend drain cp1', 'cp1: draining already\n'],
    ['backend resume cp1', 'cp1: not draining\n'],
    ['reload', 'nothing has changed\n'],
  ] as const) {
    const { code, stdout } = await runWith(answers, line);
    assert.deepEqual([code, stdout], [0, said]);
  }
});

test('reload prints a line for each change', async () => {
  const changes = ['log.level: info → debug', 'api: loadBalancer.ports: [80] → [81]'];
  const reload = async () => ({ ok: true, changes }) as const;
  assert.deepEqual(await runWith({ reload }, 'reload'), {
    code: 0,
    stdout: 'log.level: info → debug\napi: loadBalancer.ports: [80] → [81]\n',
    stderr: '',
    drained: [],
  });
});

test('a refusal is a line for each problem on stderr; wrong configuration is exit code 2, all else 1', async () => {
  const codes = { 'unknown-backend': 1, 'unknown-vip': 1, invalid: 2, 'needs-restart': 1, failed: 1 } as const;
  for (const [refusal, expected] of Object.entries(codes)) {
    const answer = { ok: false, refusal, problems: ['one', 'two\x1b[2J'] } as ControlAnswer;
    const change = { reload: async () => answer, setDraining: () => answer };
    for (const line of ['reload', 'backend drain cp9', 'backend resume cp9']) {
      const { code, stdout, stderr } = await runWith(change, line);
      assert.deepEqual([code, stdout, stderr], [expected, '', 'vipd: one\nvipd: two?[2J\n'], `${line}: ${refusal}`);
    }
  }
});

test('no daemon is exit code 3, a wrong setting 2, for each of them', async () => {
  const path = newPath();
  for (const line of ['backend list', 'backend drain cp1', 'backend resume cp1', 'reload']) {
    const { code, stdout, stderr } = await run(`${line} --admin-socket ${path}`);
    assert.deepEqual([code, stdout], [3, ''], line);
    assert.equal(stderr, `vipd: vipd is not running (no answer on ${path})\n`);
    assert.equal((await run(`${line} --admin-socket relative`)).code, 2, line);
  }
});

test('the socket is found by the file of the daemon', async () => {
  const path = newPath();
  const file = join(folder, 'vipd.yaml');
  writeFileSync(file, `admin: { socket: ${path} }\n`);
  await using _ = await startAdminServer({ path, control: createFakeControl() });
  assert.equal((await run(`reload --config ${file}`)).code, 0);
});
