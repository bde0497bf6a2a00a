import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadAddon } from '../../../../src/kernel/linux/addon.js';
import { createSupervisor } from '../../../../src/kernel/linux/supervisor-socket.js';
import { listenForNotifications } from '../../../netns/notify-listener.js';
import { until } from '../../../netns/poll.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-notify-'));
after(() => rmSync(folder, { recursive: true }));
const addon = loadAddon();

for (const [kind, path] of [
  ['a path', join(folder, 'notify')],
  ['an abstract name', `@vipd-test-${process.pid}`],
] as const) {
  test(`one message, all lines of it, arrives at ${kind}`, async () => {
    await using listener = await listenForNotifications(path);
    const supervisor = createSupervisor(addon, path);
    supervisor.tell(['READY=1', 'STATUS=web: geführt']);
    supervisor.tell(['WATCHDOG=1']);
    await until(() => listener.heard.length === 2, { what: 'two messages' });
    assert.deepEqual(listener.heard, ['READY=1 STATUS=web: geführt', 'WATCHDOG=1']);
  });
}

test('who does not listen is named', () => {
  const path = join(folder, 'nobody');
  const error = { name: 'KernelError', message: `send on ${path}: ENOENT`, code: 'ENOENT' };
  assert.throws(() => createSupervisor(addon, path).tell(['READY=1']), error);
});

test('a path that no socket can have is refused', () => {
  for (const path of ['', `/${'x'.repeat(107)}`]) {
    assert.throws(() => createSupervisor(addon, path).tell(['READY=1']), { code: 'ENAMETOOLONG' });
  }
  // The longest that there can be.
  assert.throws(() => createSupervisor(addon, `/${'x'.repeat(106)}`).tell(['READY=1']), { code: 'ENOENT' });
});
