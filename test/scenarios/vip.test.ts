import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Instant, millis } from '../../src/time/instant.js';
import type { Authority } from '../../src/vip/leadership.js';
import { stepVip } from '../../src/vip/machine.js';
import { initialVip, nextVipDeadline, type VipConfig, type VipEffect, type VipEvent } from '../../src/vip/state.js';

const config = {
  probeFirst: true,
  patience: millis(5500),
  deadManSwitch: millis(3000),
  announce: { burst: 5, interval: millis(3000) },
};
const none: Authority = { kind: 'none' };
const suspended: Authority = { kind: 'suspended', contestable: false };
const contestable: Authority = { kind: 'suspended', contestable: true };
const held: Authority = { kind: 'unchallenged' };

function proven(until: number, thenHeld = true): Authority {
  return { kind: 'proven', until: until as Instant, thenHeld };
}

/** One VIP, told what happens; `seen` is what it asked for, with the time. */
function vip(settings: VipConfig = config) {
  let state = initialVip(settings, true, 0 as Instant);
  let now = 0;
  const seen: string[] = [];
  const asked: VipEffect[] = [];
  function at(time: number, event: VipEvent, authority: Authority): string[] {
    now = time;
    const stepped = stepVip(state, event, authority, now as Instant);
    state = stepped.state;
    const words = stepped.effects.map(word);
    asked.push(...stepped.effects);
    seen.push(...words.map((effect) => `${now} ${effect}`));
    return words;
  }
  return {
    at,
    /** The last operation of this kind is answered. */
    done(time: number, kind: 'put' | 'open' | 'reset' | 'remove' | 'close', authority: Authority, ok = true): string[] {
      const effect = asked.findLast((e) => e.kind === kind);
      assert.ok(effect !== undefined && 'operation' in effect, `no ${kind} was asked for`);
      return at(time, { kind: 'done', operation: effect.operation, result: ok ? 'ok' : 'refused' }, authority);
    },
    /** Lets time pass until `end`, waking when the machine asks. */
    until(end: number, authority: Authority): void {
      for (let next = nextVipDeadline(state); next !== undefined && next <= end; next = nextVipDeadline(state)) {
        if (next <= now) break;
        at(next, { kind: 'tick' }, authority);
      }
      now = end;
    },
    serving(until = 5000) {
      at(0, { kind: 'tick' }, proven(until));
      this.until(20, proven(until));
      this.done(21, 'put', proven(until));
      this.done(22, 'open', proven(until));
      return this;
    },
    seen,
    state: () => state,
  };
}

function word(effect: VipEffect): string {
  switch (effect.kind) {
    case 'put':
      return `put ${effect.lifetime}`;
    case 'able':
      return `able ${effect.able}`;
    case 'address':
      return `address ${effect.on ? 'on' : 'off'}`;
    default:
      return effect.kind;
  }
}

test('taking it: the LAN is asked, then address, data path, announcements, all within 50 ms', () => {
  assert.deepEqual(vip().serving().seen, ['0 address on', '0 probe', '20 put 2000', '21 open', '22 announce']);
});

test('giving it up: no more announcements, connections reset, address off, data path closed, and only then is it given away', () => {
  const it = vip().serving();
  assert.deepEqual(it.at(50, { kind: 'tick' }, none), ['reset']);
  assert.deepEqual(it.done(50, 'reset', none), ['remove']);
  assert.deepEqual(it.done(51, 'remove', none), ['close']);
  assert.deepEqual(it.done(52, 'close', none), ['address off']);
  it.until(60_000, none);
  assert.equal(it.seen.at(-1), '52 address off');
});

test('leadership lost while taking it is given up from wherever that stands', () => {
  for (const answered of [0, 1]) {
    const it = vip();
    it.at(0, { kind: 'tick' }, proven(5000));
    it.until(20, proven(5000));
    if (answered > 0) it.done(21, 'put', proven(5000));
    assert.deepEqual(it.at(30, { kind: 'tick' }, none), ['reset']);
    // What was asked for before answers late, and changes nothing.
    if (answered > 0) assert.deepEqual(it.done(31, 'open', none), []);
    assert.deepEqual(it.done(32, 'reset', none), ['remove']);
    assert.deepEqual(it.done(33, 'remove', none), ['close']);
  }
});

test('a burst, then one announcement in every interval', () => {
  const it = vip().serving(100_000);
  it.until(10_000, proven(100_000));
  const announcements = it.seen.filter((line) => line.endsWith('announce')).map((line) => Number(line.split(' ')[0]));
  assert.deepEqual(announcements, [22, 122, 222, 322, 422, 3422, 6422, 9422]);
});

test('the address is refreshed three times in its lifetime, which never outlasts the proof', () => {
  const it = vip().serving(5000);
  it.until(4999, proven(5000, false));
  const puts = it.seen.filter((line) => line.includes('put'));
  for (const line of puts) {
    const [time = 0, , lifetime = 0] = line.split(' ').map(Number);
    assert.ok(time + lifetime <= 5000, line);
  }
  assert.ok(puts.length >= 5);
});

test('in doubt nothing is announced, refreshed or put back', () => {
  const it = vip().serving();
  const before = it.seen.length;
  it.until(20_000, suspended);
  it.at(20_000, { kind: 'tick' }, suspended);
  it.at(20_001, { kind: 'heard', what: 'probe' }, suspended);
  assert.deepEqual(it.seen.slice(before), ['20001 claimed']);
  // The kernel has removed the address: the rest is closed, and taken anew with new proof only.
  assert.deepEqual(it.at(20_002, { kind: 'address-removed' }, suspended), ['reset']);
  it.done(20_003, 'reset', suspended);
  it.done(20_003, 'remove', suspended);
  assert.deepEqual(it.done(20_004, 'close', suspended), ['address off']);
  assert.deepEqual(it.at(20_100, { kind: 'tick' }, proven(25_000)), ['address on', 'probe']);
});

test('an address that somebody removed is put back and announced at once', () => {
  const it = vip().serving();
  assert.deepEqual(it.at(1500, { kind: 'address-removed' }, proven(6000)), ['put 2000', 'announce']);
});

test('a node that still answers for the address is waited for, but not for ever', () => {
  const it = vip();
  it.at(0, { kind: 'tick' }, proven(99_000));
  for (let time = 20; time < 6000; time += 50) {
    it.at(time - 10, { kind: 'heard', what: 'claim' }, proven(99_000));
    it.at(time, { kind: 'tick' }, proven(99_000));
    if (it.state().stage.kind !== 'probing') break;
  }
  const put = it.seen.find((line) => line.includes('put'));
  assert.equal(put, '5520 put 2000');
  assert.deepEqual(it.seen.slice(-2), ['5520 overrule', '5520 put 2000']);
});

test('with proof a claim is reported and answered once a second; a probe is left to the kernel', () => {
  const it = vip().serving(100_000);
  it.until(1000, proven(100_000));
  assert.deepEqual(it.at(1000, { kind: 'heard', what: 'probe' }, proven(100_000)), []);
  assert.deepEqual(it.at(1001, { kind: 'heard', what: 'claim' }, proven(100_000)), ['claimed', 'announce']);
  assert.deepEqual(it.at(1002, { kind: 'heard', what: 'claim' }, proven(100_000)), ['claimed']);
  it.until(2001, proven(100_000));
  assert.deepEqual(it.at(2001, { kind: 'heard', what: 'claim' }, proven(100_000)), ['claimed', 'announce']);
});

test('without proof a probe is reported too: the other may hold the Lease', () => {
  const it = vip().serving();
  it.until(500, held);
  assert.deepEqual(it.at(500, { kind: 'heard', what: 'probe' }, held), ['claimed']);
});

test('a link that flaps is announced on anew; one that stays down makes the node unable', () => {
  const it = vip().serving(100_000);
  it.until(600, proven(100_000));
  assert.deepEqual(it.at(600, { kind: 'link', up: false }, proven(100_000)), []);
  assert.deepEqual(it.at(900, { kind: 'link', up: true }, proven(100_000)), ['put 2000', 'announce']);
  it.at(1000, { kind: 'link', up: false }, proven(100_000));
  assert.deepEqual(it.at(2000, { kind: 'tick' }, none), ['able false', 'reset']);
  it.done(2000, 'reset', none);
  it.done(2001, 'remove', none);
  it.done(2002, 'close', none);
  assert.deepEqual(it.at(9000, { kind: 'link', up: true }, none), ['able true']);
});

test('an address that the kernel refuses makes the node unable for some seconds', () => {
  const it = vip();
  it.at(0, { kind: 'tick' }, proven(5000));
  it.until(20, proven(5000));
  assert.deepEqual(it.done(21, 'put', proven(5000), false), ['able false', 'remove']);
  it.done(22, 'remove', none);
  it.done(23, 'close', none);
  it.until(6000, none);
  assert.equal(it.seen.at(-1), '5021 able true');
});

test('an election that settles it alone, as VRRP does: taken without asking, whoever still answers', () => {
  const it = vip({ ...config, probeFirst: false });
  assert.deepEqual(it.at(0, { kind: 'tick' }, proven(5000)), ['address on', 'put 2000']);
  assert.deepEqual(it.at(1, { kind: 'heard', what: 'claim' }, proven(5000)), ['claimed']);
  assert.deepEqual(it.done(1, 'put', proven(5000)), ['open']);
  assert.deepEqual(it.done(2, 'open', proven(5000)), ['announce']);
});

test('after another who thought that he leads, the address is announced once more, but not in a flood', () => {
  const it = vip().serving(100_000);
  it.until(1000, proven(100_000));
  assert.deepEqual(it.at(1000, { kind: 'contested' }, proven(100_000)), ['announce']);
  assert.deepEqual(it.at(1001, { kind: 'contested' }, proven(100_000)), []);
  it.until(2001, proven(100_000));
  assert.deepEqual(it.at(2001, { kind: 'contested' }, proven(100_000)), ['announce']);
  assert.deepEqual(vip().at(0, { kind: 'contested' }, none), []);
});

test('a removal that fails is tried again, and nothing is given away before', () => {
  const it = vip().serving();
  it.at(50, { kind: 'tick' }, none);
  it.done(50, 'reset', none);
  assert.deepEqual(it.done(51, 'remove', none, false), []);
  it.until(251, none);
  assert.equal(it.seen.at(-1), '251 remove');
});

test('refreshes that are refused make the node unable before the address has run out', () => {
  const it = vip().serving(100_000);
  for (let time = 600; time < 3000; time += 100) {
    it.until(time, proven(100_000));
    if (it.state().stage.kind !== 'serving') break;
    if (it.seen.at(-1)?.includes('put') || it.seen.at(-2)?.includes('put'))
      it.done(time, 'put', proven(100_000), false);
  }
  assert.ok(
    it.seen.some((line) => line.endsWith('able false')),
    it.seen.join('\n'),
  );
  const unable = Number(it.seen.find((line) => line.endsWith('able false'))?.split(' ')[0]);
  assert.ok(unable < 2020, `${unable}`);
});

test('in doubt without the API the LAN is asked for half a second; silence is reported, an answer too', () => {
  const it = vip().serving();
  const before = it.seen.length;
  for (let time = 5000; time <= 5550; time += 50) it.at(time, { kind: 'tick' }, contestable);
  const words = it.seen.slice(before).map((line) => line.split(' ')[1]);
  assert.deepEqual(new Set(words), new Set(['probe', 'unclaimed']));
  assert.equal(words.filter((effect) => effect === 'unclaimed').length, 1);
  const other = vip().serving();
  other.at(5000, { kind: 'tick' }, contestable);
  assert.deepEqual(other.at(5001, { kind: 'heard', what: 'claim' }, contestable).slice(0, 1), ['claimed']);
});

test('in doubt, a pause within that half second begins it anew', () => {
  const it = vip().serving();
  it.at(5000, { kind: 'tick' }, contestable);
  it.at(5050, { kind: 'tick' }, contestable);
  assert.deepEqual(it.at(9000, { kind: 'tick' }, contestable), ['probe']);
});

test('without proof, whoever answers the probe keeps the address', () => {
  const it = vip();
  it.at(0, { kind: 'tick' }, held);
  assert.deepEqual(it.at(5, { kind: 'heard', what: 'claim' }, held), ['claimed']);
});
