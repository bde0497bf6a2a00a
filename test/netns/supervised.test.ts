import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { listenForNotifications, type NotifyListener } from './notify-listener.js';
import { until } from './poll.js';
import { withHost } from './with-host.js';

const watchdog = 2000;
const ready = 'READY=1 STATUS=web: ';

/** The environment that systemd gives a service: whoever comes last has the id that the shell had. */
function asService(socket: string, pid = '$$'): readonly string[] {
  const variables = `NOTIFY_SOCKET=${socket} WATCHDOG_USEC=${watchdog * 1000} WATCHDOG_PID=${pid}`;
  return ['sh', '-c', `export ${variables}; exec "$@"`, 'sh'];
}

const count = ({ heard }: NotifyListener, message: string) => heard.filter((one) => one === message).length;

test('a supervised daemon tells of its start, who leads, that it lives, a reload and its end', () =>
  withHost('notify', async ({ configure, start }) => {
    const config = await configure();
    const path = join(dirname(config), 'notify');
    await using supervisor = await listenForNotifications(path);
    const daemon = await start(config, asService(path));
    const heard = (message: string) =>
      until(() => supervisor.heard.some((one) => one === message), { what: `${message} in ${supervisor.heard}` });
    await until(() => supervisor.heard.length > 0, { what: 'a first message' });
    assert.equal(supervisor.heard[0]?.startsWith(ready), true, supervisor.heard[0]);
    await until(() => supervisor.heard.some((one) => one.endsWith('STATUS=web: led here, on eth0')), {
      what: 'who leads',
    });
    await until(() => count(supervisor, 'WATCHDOG=1') >= 3, { what: 'three signs of life' });

    daemon.signal('SIGHUP');
    await until(() => supervisor.heard.some((one) => /^RELOADING=1 MONOTONIC_USEC=\d+$/.test(one)), {
      what: 'the reload',
    });
    await until(() => supervisor.heard.filter((one) => one.startsWith('READY=1')).length === 2, { what: 'its end' });
    const [uptime = ''] = (await readFile('/proc/uptime', 'utf8')).split(' ');
    const reloading = supervisor.heard
      .find((one) => one.startsWith('RELOADING'))
      ?.split('=')
      .at(-1);
    // The machine has not slept: its two monotonic clocks are the same.
    assert.ok(Math.abs(Number(reloading) / 1e6 - Number(uptime)) < 60, `${reloading} at ${uptime}`);

    daemon.signal('SIGSTOP');
    // What was on its way may still arrive.
    await wait(watchdog / 2);
    const before = count(supervisor, 'WATCHDOG=1');
    await wait(watchdog * 1.5);
    assert.equal(count(supervisor, 'WATCHDOG=1'), before);
    daemon.signal('SIGCONT');
    await until(() => count(supervisor, 'WATCHDOG=1') > before, { what: 'a sign of life' });

    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    await heard('STOPPING=1 STATUS=giving up the VIPs');
    const last = supervisor.heard.filter((one) => one !== 'WATCHDOG=1').at(-1);
    assert.equal(last, 'STOPPING=1 STATUS=giving up the VIPs');
  }));

test('a supervisor of another process is left alone', () =>
  withHost('stray', async ({ configure, start, status }) => {
    const config = await configure();
    const path = join(dirname(config), 'notify');
    await using supervisor = await listenForNotifications(path);
    const daemon = await start(config, asService(path, '1'));
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    assert.deepEqual(supervisor.heard, []);
  }));
