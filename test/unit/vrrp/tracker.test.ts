import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link } from '../../../src/kernel/ports.js';
import { millis } from '../../../src/time/instant.js';
import { createTracker, type TrackedScript, type TrackerConfig } from '../../../src/vrrp/tracker.js';
import type { Verdict } from '../../../src/vrrp/tracking.js';
import { createFakeClock } from '../../fakes/clock.js';
import { silentLog } from '../../fakes/log.js';
import { bad, createFakePrograms, good } from '../../fakes/programs.js';

const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const eth1: Link = { index: 3, name: 'eth1', mac: undefined, up: true };

function script(differences: Partial<TrackedScript> = {}): TrackedScript {
  const command = ['/bin/check', 'it'];
  const times = { interval: millis(1000), timeout: millis(1000), rise: 2, fall: 3 };
  return { name: 'check', command, ...times, weight: -2, reverse: false, ...differences };
}

async function createPlace(differences: Partial<TrackerConfig>) {
  const clock = createFakeClock();
  const programs = createFakePrograms(good);
  const verdicts: Verdict[] = [];
  const base = { priority: 101, interfaces: [], scripts: [], reachWeight: 60, patience: millis(2000) };
  const config: TrackerConfig = { ...base, ...differences };
  const tracker = createTracker({
    config,
    network: { links: async () => [eth1] },
    programs,
    clock,
    log: silentLog,
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  tracker.start();
  await turns();
  clock.advance(0);
  await turns();
  return {
    clock,
    programs,
    tracker,
    verdicts,
    config,
    priorities: () => verdicts.map(({ priority }) => priority),
    async pass(milliseconds: number) {
      for (let i = 0; i < milliseconds / 100; i++) {
        clock.advance(100);
        await turns();
      }
    },
  };
}

test('a script runs at its interval, and its verdict turns after so many runs', async () => {
  const place = await createPlace({ scripts: [script()] });
  assert.deepEqual(place.programs.runs, ['/bin/check it']);
  place.programs.answer = bad;
  await place.pass(2000);
  assert.equal(place.programs.runs.length, 3);
  assert.deepEqual(place.priorities(), [101]);
  await place.pass(1000);
  assert.deepEqual(place.priorities(), [101, 99]);
  place.programs.answer = good;
  await place.pass(2000);
  assert.deepEqual(place.priorities(), [101, 99, 101]);
});

test('a run that takes long is not joined by another; a timeout counts as a failure', async () => {
  const place = await createPlace({ scripts: [script({ fall: 1 })] });
  place.programs.answer = undefined;
  await place.pass(5000);
  assert.equal(place.programs.runs.length, 2);
  place.programs.end({ kind: 'timeout' });
  await place.pass(200);
  assert.deepEqual(place.priorities(), [101, 99]);
  assert.equal(place.programs.runs.length, 3);
});

test('a vital script that has not ended yet keeps the router out', async () => {
  const place = await createPlace({ scripts: [script({ weight: 0 })] });
  assert.deepEqual(
    place.verdicts.map(({ fault }) => fault),
    ['tracking-unknown', undefined],
  );
});

test('interfaces: down, gone, back', async () => {
  const place = await createPlace({ interfaces: [{ name: 'eth1', weight: 0, reverse: false }] });
  place.tracker.network({ kind: 'link', link: { ...eth1, up: false } });
  place.tracker.network({ kind: 'link', link: eth1 });
  place.tracker.network({ kind: 'link-removed', index: 3 });
  place.tracker.network({ kind: 'link', link: { ...eth1, index: 9 } });
  const down = 'tracked-interface-down';
  assert.deepEqual(
    place.verdicts.map(({ fault }) => fault),
    ['tracking-unknown', undefined, down, undefined, down, undefined],
  );
});

test('backends: who reaches none is lower; the holder only when that lasts', async () => {
  const place = await createPlace({});
  place.tracker.reaches(false);
  place.tracker.reaches(true);
  place.tracker.holds(true);
  place.tracker.reaches(false);
  await place.pass(1900);
  assert.deepEqual(place.priorities(), [101, 41, 101]);
  await place.pass(100);
  assert.deepEqual(place.priorities(), [101, 41, 101, 41]);
});

test('other settings: what stays keeps its state, what is new is run, what is gone is ended', async () => {
  const place = await createPlace({
    scripts: [script({ fall: 1 }), script({ name: 'other', command: ['/bin/other'] })],
  });
  place.programs.answer = bad;
  await place.pass(1000);
  assert.equal(place.priorities().at(-1), 97);
  place.programs.answer = undefined;
  await place.pass(1000);
  const runs = place.programs.runs.length;
  place.tracker.change({ ...place.config, priority: 111, scripts: [script({ weight: -5 })] });
  assert.equal(place.priorities().at(-1), 106);
  assert.equal(place.programs.stopped, 1);
  place.tracker.change({
    ...place.config,
    scripts: [script({ weight: -5 }), script({ name: 'new', command: ['/new'] })],
  });
  place.clock.advance(0);
  assert.deepEqual(place.programs.runs.slice(runs), ['/new']);
});

test('what comes with other settings is no fault before it is known to be one', async () => {
  const place = await createPlace({});
  place.programs.answer = undefined;
  const vital = script({ name: 'vital', weight: 0, fall: 1 });
  place.tracker.change({
    ...place.config,
    scripts: [vital],
    interfaces: [{ name: 'eth1', weight: 0, reverse: false }],
  });
  await place.pass(100);
  assert.deepEqual([place.verdicts.length, place.tracker.verdict().fault], [1, undefined]);
  place.programs.end(bad);
  await place.pass(100);
  assert.equal(place.tracker.verdict().fault, 'tracked-script-failed');
  assert.deepEqual(place.tracker.verdict().because, ['script vital: failed']);
});

test('an interface is followed before it is tracked: its state is never old', async () => {
  const place = await createPlace({});
  place.tracker.network({ kind: 'link', link: { ...eth1, up: false } });
  place.tracker.change({ ...place.config, interfaces: [{ name: 'eth1', weight: 0, reverse: false }] });
  assert.deepEqual(place.tracker.verdict().because, ['interface eth1: down or not there']);
});

test('scripts do not start in the same moment', async () => {
  const names = ['a', 'b', 'c'];
  const place = await createPlace({ scripts: names.map((name) => script({ name, command: [name] })) });
  assert.deepEqual(place.programs.runs, ['a']);
  place.clock.advance(25);
  assert.deepEqual(place.programs.runs, ['a', 'b']);
  place.clock.advance(25);
  assert.deepEqual(place.programs.runs, names);
});

test('its end ends the scripts', async () => {
  const place = await createPlace({ scripts: [script()] });
  place.programs.answer = undefined;
  await place.pass(1000);
  place.tracker[Symbol.dispose]();
  assert.equal(place.programs.stopped, 1);
  place.programs.end(good);
  await place.pass(5000);
  assert.equal(place.programs.runs.length, 2);
});
