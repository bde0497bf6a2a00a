import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '../../../src/time/instant.js';
import { createNotifier, type NotifyCommands } from '../../../src/vrrp/notifier.js';
import { notifiedState } from '../../../src/vrrp/notify.js';
import { initialVrrp, type VrrpState } from '../../../src/vrrp/state.js';
import { createFakeClock } from '../../fakes/clock.js';
import { silentLog } from '../../fakes/log.js';
import { bad, createFakePrograms, good } from '../../fakes/programs.js';
import { vrrpConfig } from '../../fakes/vrrp-config.js';

const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const initial: VrrpState = { ...initialVrrp(vrrpConfig, true), started: true };
const at = 0 as Instant;
const master: VrrpState = { ...initial, fault: undefined, role: { kind: 'master', advertAt: at, sentAt: at } };
const backup: VrrpState = {
  ...initial,
  fault: undefined,
  role: {
    kind: 'backup',
    masterInterval: vrrpConfig.advertInterval,
    downAt: at,
    silence: 'master-silent',
    preemptAt: undefined,
    isDoubting: false,
    lingersUntil: undefined,
  },
};
const fault: VrrpState = { ...initial, fault: 'tracked-script-failed' };
const stopped: VrrpState = { ...initial, fault: undefined, stopping: { leaveAt: at, giveUpAt: at }, stopped: true };

test('what is told: a master when it serves, a fault when it is one, nothing before it is decided', () => {
  assert.equal(notifiedState(initial, false), undefined);
  assert.equal(notifiedState(backup, false), 'BACKUP');
  assert.equal(notifiedState(master, false), undefined);
  assert.equal(notifiedState(master, true), 'MASTER');
  assert.equal(notifiedState(fault, false), 'FAULT');
  assert.equal(notifiedState({ ...initial, fault: 'tracking-unknown' }, false), undefined);
  assert.equal(notifiedState({ ...initial, fault: undefined, source: undefined }, false), 'FAULT');
  assert.equal(notifiedState({ ...stopped, stopped: false }, false), undefined);
  // Relieved on its way out.
  assert.equal(notifiedState({ ...backup, stopping: { leaveAt: at, giveUpAt: at } }, false), undefined);
  assert.equal(notifiedState(stopped, false), 'STOP');
});

const none: NotifyCommands = {
  master: undefined,
  backup: undefined,
  fault: undefined,
  stop: undefined,
  all: undefined,
};

function create(commands: Partial<NotifyCommands>) {
  const programs = createFakePrograms();
  const clock = createFakeClock();
  const parts = { vip: 'api', commands: { ...none, ...commands }, programs, clock, log: silentLog };
  return { programs, clock, notifier: createNotifier(parts) };
}

test('one at a time and in order, each change once, `all` last with four arguments', async () => {
  const { programs, notifier } = create({ master: ['/m', 'x'], all: ['/all', 'y z'] });
  notifier.look(backup, false);
  notifier.look(backup, false);
  notifier.look(master, false);
  notifier.look({ ...master, priority: 41 }, true);
  await turns();
  assert.deepEqual(programs.runs, ['/all y z INSTANCE api BACKUP 100']);
  programs.end(bad);
  await turns();
  programs.end(good);
  await turns();
  const after = ['/m x', '/all y z INSTANCE api MASTER 41'];
  assert.deepEqual(programs.runs, ['/all y z INSTANCE api BACKUP 100', ...after]);
});

test('the end waits for what is to be told, but not for ever', async () => {
  const { programs, notifier, clock } = create({ stop: ['/stop'] });
  notifier.look(stopped, false);
  let isTold = false;
  const told = notifier.told().then(() => {
    isTold = true;
  });
  await turns();
  assert.deepEqual([programs.runs, isTold], [['/stop'], false]);
  clock.advance(5000);
  await told;
});

test('who stops does not wait for what is overtaken: it is ended, or not begun', async () => {
  const { programs, notifier } = create({ all: ['/all'], stop: ['/stop'] });
  notifier.look(backup, false);
  notifier.look(master, true);
  notifier.look(stopped, false);
  assert.equal(programs.stopped, 1);
  programs.answer = good;
  programs.end({ kind: 'timeout' });
  await notifier.told();
  const words = (state: string) => `/all INSTANCE api ${state} 100`;
  assert.deepEqual(programs.runs, [words('BACKUP'), '/stop', words('STOP')]);
});

test('the next one begins when the one before is gone, not when its time is over', async () => {
  const { programs, notifier } = create({ all: ['/all'] });
  let disappear = () => {};
  programs.lingering = new Promise((resolve) => {
    disappear = resolve;
  });
  notifier.look(backup, false);
  notifier.look(fault, false);
  programs.end({ kind: 'timeout' });
  await turns();
  assert.equal(programs.runs.length, 1);
  programs.lingering = undefined;
  disappear();
  await turns();
  assert.equal(programs.runs.length, 2);
});

test('who flaps faster than the program runs does not pile up', async () => {
  const { programs, notifier } = create({ all: ['/all'] });
  for (let i = 0; i < 100; i++) notifier.look(i % 2 === 0 ? backup : fault, false);
  programs.answer = good;
  programs.end(good);
  await notifier.told();
  assert.equal(programs.runs.length, 33);
});
