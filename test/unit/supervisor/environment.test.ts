import assert from 'node:assert/strict';
import { test } from 'node:test';
import { supervisionIn } from '../../../src/supervisor/environment.js';

const socket = '/run/systemd/notify';

test('without a socket nobody supervises', () => {
  assert.equal(supervisionIn({}, 7), undefined);
  assert.equal(supervisionIn({ WATCHDOG_USEC: '1000000', WATCHDOG_PID: '7' }, 7), undefined);
});

test('a path, or an abstract name, is a socket; the rest is none', () => {
  for (const name of [socket, '@name']) assert.equal(supervisionIn({ NOTIFY_SOCKET: name }, 7)?.socket, name);
  for (const name of ['', '/', '@', 'name', 'vsock:2:1234']) {
    assert.equal(supervisionIn({ NOTIFY_SOCKET: name }, 7), undefined, name);
  }
});

test('the watchdog’s microseconds become milliseconds', () => {
  const watchdog = (WATCHDOG_USEC: string) => supervisionIn({ NOTIFY_SOCKET: socket, WATCHDOG_USEC }, 7)?.watchdog;
  assert.equal(watchdog('10000000'), 10_000);
  for (const none of ['', '0', '-1', '1e6', 'infinity', '18446744073709551615'])
    assert.equal(watchdog(none), undefined);
});

test('what is meant for another process is left alone', () => {
  const given = (WATCHDOG_PID: string) => ({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000', WATCHDOG_PID });
  assert.deepEqual(supervisionIn(given('7'), 7), { socket, watchdog: 1000 });
  for (const other of ['8', '']) assert.equal(supervisionIn(given(other), 7), undefined);
});
