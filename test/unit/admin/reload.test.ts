import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReload } from '../../../src/admin/reload.js';
import type { VipChange } from '../../../src/config/changes.js';
import type { Loaded, LoadedSettings } from '../../../src/config/load.js';
import { load } from '../config/load-text.js';

function file(ports: string, rest = ''): string {
  return `vips: [{ name: api, addresses: [10.0.0.9], loadBalancer: { ports: [${ports}] } }]\n${rest}`;
}

async function loadGood(text: string): Promise<LoadedSettings> {
  const loaded = await load(text);
  assert.ok(loaded.ok);
  return loaded;
}

/** A daemon that runs with a file; the test says what is read next and what applying it comes to. */
async function setUp(text: string) {
  const events: string[] = [];
  const note =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void events.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log = {
    ...{ debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    setLevel: (level: string) => void events.push(`level ${level}`),
  };
  const state = {
    events,
    reread: (): Promise<Loaded> => Promise.reject(new Error('the test did not say what is read')),
    apply: async (vips: readonly VipChange[]) => {
      for (const { name, settings } of vips) events.push(`apply ${name} ${settings.loadBalancer.ports}`);
    },
  };
  const reload = createReload({
    configuration: { loaded: await loadGood(text), reread: () => state.reread() },
    apply: (vips) => state.apply(vips),
    log,
  });
  return { state, events, reload };
}

test('what changed is applied, logged and answered; the next reload starts from there', async () => {
  const { state, events, reload } = await setUp(file('80'));
  const changed = await loadGood(file('81', 'log: { level: warn }'));
  state.reread = async () => changed;
  const changes = [
    'log.level: info → warn',
    'api: loadBalancer.ports: [80] → [81]',
    'api: loadBalancer.backends.port: 80 → 81',
  ];
  assert.deepEqual(await reload(), { ok: true, changes });
  assert.deepEqual(events.splice(0), ['apply api 81', 'level warn', `info reloaded ${JSON.stringify({ changes })}`]);
  assert.deepEqual(await reload(), { ok: true, changes: [] });
  assert.deepEqual(events, ['info reloaded {"changes":[]}']);
});

test('a file that is wrong, or takes a restart, changes nothing', async () => {
  const { state, events, reload } = await setUp(file('80'));
  state.reread = () => load(file('0', 'log: { level: loud }'));
  const wrong = await reload();
  assert.ok(!wrong.ok);
  assert.equal(wrong.refusal, 'invalid');
  assert.equal(wrong.problems.length, 2);
  state.reread = () => load(file('81', 'log: { level: warn, format: text }'));
  const fixed = await reload();
  assert.ok(!fixed.ok);
  assert.equal(fixed.refusal, 'needs-restart');
  assert.match(
    fixed.problems[0] ?? '',
    /log\.format: json → text cannot be applied in place; restart vipd to apply it$/,
  );
  assert.equal(events.length, 2);
  for (const event of events) assert.match(event, /^error not reloaded \{"because":"(invalid|needs-restart)"/);
});

test('what could not be applied is handed over again by the next reload', async () => {
  const { state, events, reload } = await setUp(file('80'));
  const changed = await loadGood(file('81', 'log: { level: warn }'));
  state.reread = async () => changed;
  const { apply } = state;
  state.apply = async () => {
    throw new Error('the kernel has no memory');
  };
  assert.deepEqual(await reload(), { ok: false, refusal: 'failed', problems: ['the kernel has no memory'] });
  state.apply = apply;
  assert.equal((await reload()).ok, true);
  assert.deepEqual(events.slice(1, 3), ['apply api 81', 'level warn']);
});

test('reloads come one after another, and those that wait are one', async () => {
  const { state, events, reload } = await setUp(file('80'));
  const reads: ((loaded: Loaded) => void)[] = [];
  state.reread = () => new Promise((resolve) => reads.push(resolve));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const first = reload();
  await settle();
  const others = Array.from({ length: 1000 }, reload);
  await settle();
  assert.equal(reads.length, 1);
  reads[0]?.(await loadGood(file('81')));
  assert.deepEqual((await first).ok, true);
  await settle();
  assert.equal(reads.length, 2);
  reads[1]?.(await loadGood(file('82')));
  assert.equal(new Set(await Promise.all(others)).size, 1);
  assert.equal(reads.length, 2);
  assert.deepEqual(
    events.filter((event) => event.startsWith('apply')),
    ['apply api 81', 'apply api 82'],
  );
});
