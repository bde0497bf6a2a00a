import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chooseAddresses,
  initialName,
  type NameEffect,
  type NameEvent,
  type NameMode,
  stepName,
} from '../../../src/names/machine.js';
import type { Ip } from '../../../src/net/ip.js';
import { type Instant, millis } from '../../../src/time/instant.js';

const [a, b, six] = ['192.0.2.9', '192.0.2.10', '2001:db8::9'] as Ip[] as [Ip, Ip, Ip];

/** A name at 0 s; `at` steps it at a time in seconds and gives what is to be done. */
function follow(mode: NameMode = 'first', interval = 30_000) {
  let state = initialName({ mode, interval: millis(interval) }, 0 as Instant);
  return {
    at(seconds: number, event: NameEvent): readonly NameEffect[] {
      const stepped = stepName(state, event, (seconds * 1000) as Instant);
      state = stepped.state;
      return stepped.effects;
    },
    /** When the next look-up is, in seconds. */
    next: () => (state.nextAt === undefined ? undefined : state.nextAt / 1000),
    uses: () => state.addresses,
    trouble: () => state.trouble,
  };
}

const tick: NameEvent = { kind: 'tick' };
const failed: NameEvent = { kind: 'failed', because: 'EAI_AGAIN' };
const answered = (...ips: readonly Ip[]): NameEvent => ({ kind: 'answered', ips });

test('the first answer counts at once, and the name is looked up again after the interval', () => {
  const name = follow();
  assert.deepEqual(name.at(0, tick), [{ kind: 'ask' }]);
  assert.equal(name.next(), undefined);
  // One look-up at a time.
  assert.deepEqual(name.at(1, tick), []);
  assert.deepEqual(name.at(1, answered(a)), [{ kind: 'use', addresses: [a] }]);
  assert.equal(name.next(), 31);
  assert.deepEqual(name.at(30, tick), []);
  assert.deepEqual(name.at(31, tick), [{ kind: 'ask' }]);
  assert.deepEqual(name.at(31, answered(a)), []);
});

test('without a first answer it is tried again, ever more slowly, up to the interval', () => {
  const name = follow('first', 10_000);
  const pauses: number[] = [];
  for (let now = 0; pauses.length < 6; ) {
    name.at(now, tick);
    name.at(now, failed);
    pauses.push((name.next() ?? 0) - now);
    now = name.next() ?? 0;
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 10, 10]);
});

test('another answer counts when the next look-up gives it again', () => {
  const name = follow();
  name.at(0, answered(a));
  assert.deepEqual(name.at(30, answered(b)), []);
  assert.equal(name.next(), 35);
  assert.deepEqual(name.at(35, answered(b)), [{ kind: 'use', addresses: [b] }]);
  assert.deepEqual(name.uses(), [b]);
});

test('an answer that does not last counts for nothing', () => {
  const name = follow();
  name.at(0, answered(a));
  for (const between of [answered(a), failed]) {
    assert.deepEqual(name.at(30, answered(b)), []);
    assert.deepEqual(name.at(35, between), []);
    assert.deepEqual(name.at(65, answered(b)), []);
    assert.deepEqual(name.at(70, answered(a)), []);
  }
  assert.deepEqual(name.uses(), [a]);
});

test('no answer, however long, takes no address away', () => {
  const name = follow();
  name.at(0, answered(a));
  for (let now = 30; now < 100_000; now += 30) {
    assert.deepEqual(name.at(now, now % 60 === 0 ? failed : answered()), []);
    assert.equal(name.next(), now + 30);
  }
  assert.deepEqual(name.uses(), [a]);
});

test('what the mode asks for and the name has not is no answer', () => {
  const name = follow('dual');
  assert.deepEqual(name.at(0, answered(a)), []);
  assert.equal(name.next(), 1);
  assert.deepEqual(name.at(1, answered(six, a)), [{ kind: 'use', addresses: [a, six] }]);
  // A look-up that loses one of the families changes nothing.
  assert.deepEqual(name.at(31, answered(six)), []);
  assert.deepEqual(name.at(61, answered(six)), []);
  assert.deepEqual(name.uses(), [a, six]);
});

test('each mode takes its addresses, of several the lowest, in whatever order they come', () => {
  const cases: readonly (readonly [NameMode, readonly Ip[], readonly Ip[] | undefined])[] = [
    ['first', [b, six, a], [a]],
    ['first', [six], [six]],
    ['first', [], undefined],
    ['ipv4', [six, b], [b]],
    ['ipv4', [six], undefined],
    ['ipv6', [a, six], [six]],
    ['ipv6', [a], undefined],
    ['dual', [six, b, a], [a, six]],
    ['dual', [a], undefined],
  ];
  for (const [mode, ips, chosen] of cases) {
    assert.deepEqual(chooseAddresses(ips, mode), chosen, `${mode} ${ips}`);
    assert.deepEqual(chooseAddresses([...ips].reverse(), mode), chosen);
  }
});

test('a name whose answers alternate moves ever more rarely, and a name that is steady again at once', () => {
  const name = follow('first', 10_000);
  name.at(0, answered(a));
  const moves: number[] = [];
  let now = 0;
  const lookUp = (ip: Ip) => {
    now = name.next() ?? 0;
    name.at(now, tick);
    if (name.at(now, answered(ip)).length > 0) moves.push(now);
  };
  // Each address twice: the second answer confirms the first.
  for (let round = 0; now < 8 * 3600; round++) lookUp(Math.floor(round / 2) % 2 === 0 ? b : a);
  const pauses = moves.slice(1).map((at, index) => at - (moves[index] ?? 0));
  for (const [index, pause] of pauses.entries()) {
    const least = Math.min(1800, 10 * 2 ** index);
    assert.ok(pause >= least && pause < least + 60, `${pauses}`);
  }
  assert.ok(pauses.length > 15);
  const until = now + 1800 + 60;
  while (now < until) lookUp(name.uses()?.[0] as Ip);
  const other = name.uses()?.[0] === a ? b : a;
  for (let round = 0; round < 2; round++) lookUp(other);
  assert.deepEqual(name.uses(), [other]);
});

test('a look-up that takes long is not asked again, and its answer counts', () => {
  const name = follow();
  name.at(0, tick);
  assert.deepEqual(name.at(12, { kind: 'slow' }), []);
  assert.deepEqual([name.next(), name.trouble()], [undefined, 'timeout']);
  assert.deepEqual(name.at(40, answered(a)), [{ kind: 'use', addresses: [a] }]);
  assert.deepEqual([name.next(), name.trouble()], [70, undefined]);
});
