import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Ip, parseIp } from '../../../src/net/ip.js';
import type { EventApi, LeadershipEvent, Refusal } from '../../../src/signs/api.js';
import { createEventRecorder } from '../../../src/signs/event-recorder.js';
import { createFakeClock } from '../../fakes/clock.js';

const vip = { name: 'api', ips: [parseIp('10.0.0.9') as Ip] };
const lease = { namespace: 'kube-system', name: 'plndr-cp-lock', uid: 'u' };

function open() {
  const clock = createFakeClock();
  const created: LeadershipEvent[] = [];
  const lines: string[] = [];
  const world = { refusal: undefined as Refusal['refusal'] | undefined, hanging: false, asked: 0 };
  const api: EventApi = {
    async create(event) {
      world.asked++;
      if (world.hanging) return new Promise(() => {});
      if (world.refusal !== undefined) return { ok: false, refusal: world.refusal, detail: 'no' };
      created.push(event);
      return { ok: true };
    },
  };
  const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') };
  const recorder = createEventRecorder({ node: 'cp1', api, clock, log, random: () => 0.5 });
  const pass = async (milliseconds: number) => {
    clock.advance(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const record = (serves: boolean, because = 'renewed') => recorder.record({ vip, serves, because }, lease);
  return { recorder, world, created, lines, clock, pass, record };
}

describe('events', () => {
  test('are told one after another, in order, with the time at which it was', async () => {
    const at = open();
    at.record(true);
    assert.equal(at.world.asked, 0);
    at.record(false, 'link-down');
    await at.pass(0);
    await at.pass(0);
    assert.deepEqual(
      at.created.map(({ reason, at: when }) => [reason, when]),
      [
        ['VipTaken', new Date('2024-01-01T00:00:00Z')],
        ['VipGivenUp', new Date('2024-01-01T00:00:00Z')],
      ],
    );
  });

  test('are told when the API is back, if that is soon, and then no more', async () => {
    const at = open();
    at.world.refusal = 'unreachable';
    at.record(true);
    await at.pass(0);
    for (let i = 0; i < 20; i++) await at.pass(1000);
    at.world.refusal = undefined;
    for (let i = 0; i < 30; i++) await at.pass(1000);
    assert.equal(at.created.length, 1);
    at.world.refusal = 'timeout';
    at.record(false);
    for (let i = 0; i < 200; i++) await at.pass(1000);
    const { asked } = at.world;
    at.world.refusal = undefined;
    for (let i = 0; i < 200; i++) await at.pass(1000);
    assert.equal(at.world.asked, asked);
    assert.ok(asked < 25);
    assert.deepEqual(at.lines, []);
  });

  test('who may not write them says so once, and asks once for each', async () => {
    const at = open();
    at.world.refusal = 'forbidden';
    for (let i = 0; i < 5; i++) {
      at.record(i % 2 === 0);
      await at.pass(1000);
    }
    assert.deepEqual([at.world.asked, at.lines], [5, ['info Kubernetes Events cannot be written']]);
    at.world.refusal = undefined;
    at.record(true);
    await at.pass(0);
    assert.equal(at.created.length, 1);
  });

  test('a VIP that flaps does not flood the cluster, and the next one says how many were kept back', async () => {
    const at = open();
    for (let i = 0; i < 15; i++) {
      at.record(i % 2 === 0);
      await at.pass(100);
    }
    assert.equal(at.created.length, 10);
    await at.pass(60_000);
    at.record(true);
    await at.pass(0);
    assert.match(at.created.at(-1)?.message ?? '', /\(5 changes before it were not told\)$/);
    at.record(false);
    await at.pass(0);
    assert.equal(at.created.length, 11);
  });

  test('the end waits for the last one, but not for an API that refuses or hangs', async () => {
    const at = open();
    at.record(false, 'stopping');
    const told = at.recorder.told();
    await at.pass(0);
    await told;
    assert.equal(at.created.length, 1);

    at.world.refusal = 'unreachable';
    at.record(false);
    at.record(true);
    const refused = at.recorder.told();
    await at.pass(0);
    for (let i = 0; i < 3; i++) await at.pass(700);
    await refused;

    const other = open();
    other.world.hanging = true;
    other.record(false);
    let ended = false;
    void other.recorder.told().then(() => {
      ended = true;
    });
    await other.pass(1999);
    assert.equal(ended, false);
    await other.pass(1);
    assert.equal(ended, true);
    other.recorder[Symbol.dispose]();
    await other.recorder.told();
  });
});
