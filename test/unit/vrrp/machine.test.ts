import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../../src/net/ip.js';
import { type Instant, millis } from '../../../src/time/instant.js';
import { downInterval, skewTime, spokenFamilies, type VrrpConfig } from '../../../src/vrrp/config.js';
import { nextVrrpDeadline, stepVrrp, vrrpLeadership } from '../../../src/vrrp/machine.js';
import { notifiedState } from '../../../src/vrrp/notify.js';
import { bequestOf, initialVrrp, type VrrpEffect, type VrrpEvent } from '../../../src/vrrp/state.js';
import { vrrpConfig } from '../../fakes/vrrp-config.js';

const own = '192.0.2.20' as Ip;
const lowerAddress = '192.0.2.3' as Ip;
const higherAddress = '192.0.2.100' as Ip;

function word(effect: VrrpEffect): string {
  return effect.kind === 'advertise' ? `advertise ${effect.priority}` : effect.kind;
}

/** One router, told what happens; what it sends is on its way at once. `seen` has what it asked for, with the time. */
function router(differences: Partial<VrrpConfig> = {}) {
  let state = initialVrrp({ ...vrrpConfig, ...differences }, true);
  let now = 0;
  const seen: string[] = [];
  function at(time: number, event: VrrpEvent): string[] {
    now = time;
    const stepped = stepVrrp(state, event, now as Instant);
    state = stepped.state;
    const words = stepped.effects.map(word);
    seen.push(...words.map((effect) => `${now} ${effect}`));
    for (const effect of stepped.effects) {
      if (effect.kind === 'advertise') state = stepVrrp(state, { kind: 'sent' }, now as Instant).state;
    }
    return words;
  }
  const it = {
    at,
    seen,
    state: () => state,
    role: () => state.role.kind,
    because: () => state.because,
    authority: () => vrrpLeadership(state, 'lb1').authority.kind,
    heard(time: number, priority: number, { source = lowerAddress, interval = 1000, isMain = true } = {}): string[] {
      return at(time, { kind: 'heard', source, isMain, priority, interval: millis(interval) });
    },
    /** Lets time pass, waking when the machine asks. */
    until(end: number) {
      for (;;) {
        const next = nextVrrpDeadline(state);
        if (next === undefined || next > end) break;
        at(Math.max(next, now), { kind: 'tick' });
      }
      now = end;
      return it;
    },
    start() {
      at(0, { kind: 'source', source: own });
      at(0, { kind: 'fault', fault: undefined });
      at(0, { kind: 'start' });
      return it;
    },
    /** Master since the end of its first down interval, and its address on. */
    master() {
      it.start().until(downInterval(state.config.version, state.priority, state.config.advertInterval) + 1);
      at(now, { kind: 'address', on: true });
      seen.length = 0;
      return it;
    },
  };
  return it;
}

const down3 = 3000 + (156 * 1000) / 256;

test('the intervals are the field’s (RFC 3768 section 6.1, RFC 9568 section 6.1)', () => {
  const rounded = (value: number) => Math.round(value * 10) / 10;
  assert.deepEqual(
    [100, 101, 90, 254].map((priority) => rounded(downInterval(2, priority, millis(1000)))),
    [3609.4, 3605.5, 3648.4, 3007.8],
  );
  assert.equal(rounded(downInterval(3, 100, millis(300))), 1082.8);
  assert.equal(rounded(downInterval(3, 100, millis(100))), 360.9);
  assert.equal(rounded(downInterval(3, 254, millis(100))), 300.8);
  assert.equal(rounded(downInterval(3, 100, millis(10))), 36.1);
  // v2's skew does not depend on the interval.
  assert.equal(rounded(skewTime(2, 100, millis(5000))), 609.4);
  assert.equal(rounded(skewTime(3, 100, millis(5000))), 3046.9);
});

test('an election is spoken in the families of its addresses; v2 knows IPv4 only', () => {
  const both = ['2001:db8::1' as Ip, '192.0.2.1' as Ip];
  assert.deepEqual(spokenFamilies({ ...vrrpConfig, addresses: both }), [4, 6]);
  assert.deepEqual(spokenFamilies({ ...vrrpConfig, version: 2, addresses: both }), [4]);
  assert.deepEqual(spokenFamilies({ ...vrrpConfig, addresses: ['2001:db8::1' as Ip] }), [6]);
  assert.deepEqual(spokenFamilies({ ...vrrpConfig, addresses: both, unicastPeers: ['fe80::2' as Ip] }), [6]);
});

test('Initialize, start with priority 255: advertises and is master at once (6.4.1)', () => {
  const it = router({ priority: 255 }).start();
  assert.deepEqual(it.seen, ['0 advertise 255']);
  assert.equal(it.role(), 'master');
  assert.equal(it.because(), 'owner');
});

test('Initialize, start with less: backup for one down interval, then master; first the advertisement (6.4.1, 6.4.2)', () => {
  const it = router().start();
  assert.equal(it.role(), 'backup');
  assert.equal(it.authority(), 'none');
  it.until(down3 - 1);
  assert.deepEqual(it.seen, []);
  it.until(down3 + 1);
  assert.deepEqual(it.seen, [`${down3} advertise 100`]);
  assert.equal(it.because(), 'master-silent');
  assert.equal(it.authority(), 'proven');
});

test('Initialize without an address to send from: takes no part until there is one', () => {
  const it = router();
  it.at(0, { kind: 'start' });
  assert.equal(it.because(), 'starting');
  it.at(0, { kind: 'fault', fault: undefined });
  it.until(60_000);
  assert.equal(it.role(), 'initialize');
  assert.equal(it.because(), 'no-source-address');
  it.at(60_000, { kind: 'source', source: own });
  it.until(60_000 + down3);
  assert.equal(it.role(), 'master');
});

test('Backup, priority 0: takes over after the skew time (6.4.2)', () => {
  const it = router().start();
  it.heard(1000, 0);
  it.until(1000 + (156 * 1000) / 256 - 1);
  assert.equal(it.role(), 'backup');
  it.until(1000 + (156 * 1000) / 256);
  assert.deepEqual(it.seen, [`${1000 + (156 * 1000) / 256} advertise 100`]);
  assert.equal(it.because(), 'master-resigned');
});

test('Backup, equal or higher priority: waits a down interval anew, in v3 by the master’s interval (6.4.2)', () => {
  for (const priority of [100, 101, 255]) {
    const it = router().start();
    it.heard(500, priority, { interval: 100 });
    const down = 300 + (156 * 100) / 256;
    it.until(500 + down - 1);
    assert.equal(it.role(), 'backup');
    assert.equal(it.because(), 'held-by-other');
    it.until(500 + down);
    assert.equal(it.role(), 'master');
    // Back at its own interval.
    assert.equal(nextVrrpDeadline(it.state()), 500 + down + 1000);
  }
});

test('Backup in v2 never learns an interval', () => {
  const it = router({ version: 2 }).start();
  it.heard(500, 101, { interval: 100 });
  it.until(500 + down3 - 1);
  assert.equal(it.role(), 'backup');
});

test('Backup, lower priority, preempt: ignored, what is left of the timer runs out (6.4.2)', () => {
  const it = router().start();
  for (let time = 100; time < down3; time += 1000) it.heard(time, 99);
  it.until(down3);
  assert.equal(it.role(), 'master');
  assert.equal(it.because(), 'lower-priority-master');
});

test('Backup, lower priority, no preempt: a master like any other, until it is silent', () => {
  const it = router({ preempt: false }).start();
  let time = 100;
  for (; time < 60_000; time += 1000) it.until(time).heard(time, 1);
  assert.equal(it.role(), 'backup');
  it.until(time - 1000 + down3);
  assert.equal(it.role(), 'master');
});

test('Backup, lower priority, preemptDelay: left alone for so long from its first advertisement on', () => {
  const it = router({ preemptDelay: millis(10_000) }).start();
  let time = 100;
  for (; time < 10_000; time += 1000) it.until(time).heard(time, 99);
  assert.equal(it.role(), 'backup');
  const lastReset = time - 1000;
  for (; time < 20_000; time += 1000) it.until(time).heard(time, 99);
  const taken = it.seen[0];
  // Ignored from 10.1 s on: the timer set by the one before runs out.
  assert.equal(taken, `${lastReset + down3} advertise 100`);
});

test('Backup, preemptDelay: a master of equal or higher priority in between starts it anew', () => {
  const it = router({ preemptDelay: millis(5000) }).start();
  it.heard(100, 99);
  it.until(1000).heard(1000, 150);
  it.until(2000).heard(2000, 99);
  it.until(4000).heard(4000, 99);
  it.until(6000).heard(6000, 99);
  assert.equal(it.role(), 'backup');
  it.until(6000 + down3);
  assert.equal(it.role(), 'master');
});

test('Master: advertises once in every interval, in step (6.4.3)', () => {
  const it = router().master();
  it.until(down3 + 3000);
  assert.deepEqual(
    it.seen,
    [1, 2, 3].map((n) => `${down3 + n * 1000} advertise 100`),
  );
  // A tick that comes late does not shift the later ones.
  it.at(down3 + 4007, { kind: 'tick' });
  assert.equal(nextVrrpDeadline(it.state()), down3 + 5000);
});

test('Master, priority 0: advertises at once and stays (6.4.3)', () => {
  const it = router().master();
  assert.deepEqual(it.heard(down3 + 500, 0), ['advertise 100']);
  assert.equal(it.role(), 'master');
  assert.equal(nextVrrpDeadline(it.state()), down3 + 1500);
});

test('Master, higher priority: backup at once, by that one’s interval (6.4.3)', () => {
  const it = router().master();
  assert.deepEqual(it.heard(down3 + 500, 101, { interval: 100 }), []);
  assert.equal(it.role(), 'backup');
  assert.equal(it.because(), 'higher-priority-heard');
  // The address is not announced any more, and stays until it is announced by the other.
  assert.equal(it.authority(), 'suspended');
  it.at(down3 + 503, { kind: 'claimed' });
  assert.equal(it.authority(), 'none');
  assert.equal(nextVrrpDeadline(it.state()), down3 + 500 + 300 + (156 * 100) / 256);
});

test('Master that was relieved by one that announces nothing: the address is off within an advertisement', () => {
  for (const [interval, linger] of [
    [1000, 50],
    [10, 8],
  ] as const) {
    const it = router({ advertInterval: millis(interval) }).master();
    const now = 9000;
    it.until(now);
    it.heard(now, 101, { interval });
    it.heard(now + 1, 101, { interval });
    it.until(now + linger - 1);
    assert.equal(it.authority(), 'suspended');
    it.until(now + linger);
    assert.equal(it.authority(), 'none');
  }
});

test('Master, equal priority: the higher address wins, compared as a number (6.4.3)', () => {
  const loser = router().master();
  assert.deepEqual(loser.heard(down3 + 500, 100, { source: higherAddress }), []);
  assert.equal(loser.because(), 'tie-lost');
  const winner = router().master();
  assert.deepEqual(winner.heard(down3 + 500, 100, { source: lowerAddress }), ['advertise 100', 'contested']);
  assert.equal(winner.role(), 'master');
});

test('Master, equal priority in the family that breaks no ties: nothing', () => {
  for (const source of ['fe80::1', 'fe80::ffff'] as Ip[]) {
    const it = router().master();
    assert.deepEqual(it.heard(down3 + 500, 100, { source, isMain: false }), []);
    assert.equal(it.role(), 'master');
  }
});

test('Master, a higher priority in either family: backup', () => {
  const it = router().master();
  it.heard(down3 + 500, 101, { source: 'fe80::1' as Ip, isMain: false });
  assert.equal(it.role(), 'backup');
});

test('Master, lower priority: answers at once and announces anew (6.4.3); a flood is not answered by another', () => {
  const it = router().master();
  assert.deepEqual(it.heard(down3 + 500, 99), ['advertise 100', 'contested']);
  for (let i = 1; i < 10; i++) assert.deepEqual(it.heard(down3 + 500 + i, 99), []);
  assert.deepEqual(it.heard(down3 + 510, 99), ['advertise 100', 'contested']);
  assert.equal(it.role(), 'master');
});

/** As long as the slowest backup may wait, priority 1, and a margin. */
const relief = 3000 + (255 * 1000) / 256 + 200;

test('Master, shutdown: lets itself be relieved, and says nothing when it was', () => {
  const it = router().master();
  assert.deepEqual(it.at(down3 + 100, { kind: 'stop' }), ['advertise 1']);
  it.until(down3 + 2200);
  assert.equal(it.authority(), 'proven');
  assert.deepEqual(it.heard(down3 + 2300, 90), []);
  assert.equal(it.authority(), 'suspended');
  it.at(down3 + 2305, { kind: 'claimed' });
  assert.equal(it.authority(), 'none');
  assert.deepEqual(it.at(down3 + 2310, { kind: 'address', on: false }), ['stopped']);
  assert.deepEqual(it.seen, [
    `${down3 + 100} advertise 1`,
    `${down3 + 1100} advertise 1`,
    `${down3 + 2100} advertise 1`,
    `${down3 + 2310} stopped`,
  ]);
});

test('Master, shutdown, and nobody relieves it: priority 0 when the address is off, and not before (6.4.3)', () => {
  const it = router().master();
  it.at(down3 + 100, { kind: 'stop' });
  it.until(down3 + 100 + relief + 1);
  assert.equal(it.authority(), 'none');
  assert.equal(it.seen.at(-1), `${down3 + 4100} advertise 1`);
  assert.deepEqual(it.at(down3 + 4600, { kind: 'address', on: false }), ['advertise 0', 'stopped']);
  assert.equal(nextVrrpDeadline(it.state()), undefined);
});

test('Master, shutdown, with slow advertisements or the link down: does not wait', () => {
  const slow = router({ advertInterval: millis(2000) }).master();
  const now = 9000;
  assert.deepEqual(slow.at(now, { kind: 'stop' }), []);
  assert.equal(slow.authority(), 'none');
  assert.deepEqual(slow.at(now, { kind: 'address', on: false }), ['advertise 0', 'stopped']);
  const alone = router().master();
  alone.at(down3 + 100, { kind: 'link', up: false });
  alone.at(down3 + 200, { kind: 'stop' });
  assert.equal(alone.authority(), 'none');
});

test('Master, shutdown, and the address does not come off: stops without a word after some seconds', () => {
  const it = router().master();
  it.at(down3 + 100, { kind: 'stop' });
  it.until(60_000);
  assert.equal(it.seen.at(-1), `${down3 + 3100 + relief} stopped`);
  assert.ok(!it.seen.some((line) => line.endsWith('advertise 0')));
});

test('Backup, shutdown: says nothing (6.4.2)', () => {
  assert.deepEqual(router().start().at(100, { kind: 'stop' }), ['stopped']);
});

test('Master that cannot serve: priority 0 when the address is off; takes part again when it can', () => {
  const it = router().master();
  it.at(down3 + 100, { kind: 'fault', fault: 'unable' });
  assert.deepEqual(it.at(down3 + 110, { kind: 'address', on: false }), ['advertise 0']);
  assert.equal(it.because(), 'unable');
  it.until(20_000);
  assert.equal(it.role(), 'initialize');
  it.at(20_000, { kind: 'fault', fault: undefined });
  it.until(20_000 + down3);
  assert.equal(it.role(), 'master');
});

test('Master that gives up hears a higher priority: that one has it, no priority 0', () => {
  const it = router().master();
  it.at(down3 + 100, { kind: 'fault', fault: 'unable' });
  it.heard(down3 + 105, 200);
  assert.deepEqual(it.at(down3 + 110, { kind: 'address', on: false }), []);
});

test('priority by tracking: told with the next advertisement', () => {
  const it = router().master();
  it.at(down3 + 100, { kind: 'tracked', priority: 80, mayPreempt: true });
  it.until(down3 + 1000);
  assert.deepEqual(it.seen, [`${down3 + 1000} advertise 80`]);
});

test('Backup that could not serve: a master of lower priority is left alone, a silent one is not', () => {
  const it = router().start();
  it.at(1, { kind: 'tracked', priority: 95, mayPreempt: false });
  for (let time = 1000; time <= 6000; time += 1000) it.heard(time, 90);
  assert.equal(it.role(), 'backup');
  it.until(6000 + 3000 + 629);
  assert.equal(it.role(), 'master');
});

test('other settings: a master says them at once, a backup goes by them', () => {
  const it = router().master();
  const config = { ...it.state().config, advertInterval: millis(5000) };
  assert.deepEqual(it.at(down3 + 100, { kind: 'configured', config }), ['advertise 100']);
  it.until(down3 + 5100);
  assert.deepEqual(it.seen, [`${down3 + 100} advertise 100`, `${down3 + 5100} advertise 100`]);
  const backup = router().start();
  backup.heard(10, 90);
  backup.at(20, { kind: 'configured', config: { ...config, preempt: false } });
  for (let time = 1000; time <= 9000; time += 1000) backup.heard(time, 90);
  assert.equal(backup.role(), 'backup');
});

test('a master that was late, but not longer than any other waits, goes on', () => {
  const it = router({ advertInterval: millis(10) }).master();
  it.until(1000);
  const sent = Number(it.seen.at(-1)?.split(' ')[0]);
  assert.deepEqual(it.at(sent + 36, { kind: 'tick' }), ['advertise 100']);
  assert.deepEqual(it.at(sent + 36 + 37, { kind: 'tick' }), []);
  assert.equal(it.because(), 'paused');
});

test('a master that was paused longer than the others wait sends nothing: it listens first', () => {
  const it = router().master();
  it.until(down3 + 1000);
  it.seen.length = 0;
  const woken = down3 + 6000;
  assert.deepEqual(it.at(woken, { kind: 'tick' }), []);
  assert.equal(it.role(), 'backup');
  assert.equal(it.because(), 'paused');
  assert.equal(it.authority(), 'suspended');
  // Whoever spoke meanwhile, of whatever priority: the address is theirs.
  it.heard(woken, 1);
  assert.equal(it.authority(), 'none');
});

test('a master that was paused and is alone is master again after an interval and the skew time, its address never given up', () => {
  const it = router().master();
  const woken = down3 + 6000;
  it.at(woken, { kind: 'tick' });
  it.until(woken + down3 - 2001);
  assert.equal(it.authority(), 'suspended');
  it.until(woken + down3 - 2000);
  assert.equal(it.authority(), 'proven');
});

test('a master whose advertisements the kernel refuses is none after a while', () => {
  const it = router().master();
  let state = it.state();
  let now = down3;
  for (; now < down3 + 10_000; now = nextVrrpDeadline(state) ?? now) {
    state = stepVrrp(state, { kind: 'tick' }, now as Instant).state;
    if (state.role.kind === 'backup') break;
  }
  assert.equal(state.because, 'paused');
  assert.equal(now, down3 + 4000);
});

test('a master whose link is down sends nothing; when it was down for long it listens first', () => {
  const short = router().master();
  short.at(down3 + 100, { kind: 'link', up: false });
  short.until(down3 + 2000);
  assert.deepEqual(short.seen, []);
  short.at(down3 + 2500, { kind: 'link', up: true });
  short.until(down3 + 3000);
  assert.deepEqual(short.seen, [`${down3 + 3000} advertise 100`]);
  const long = router().master();
  long.at(down3 + 100, { kind: 'link', up: false });
  long.until(60_000);
  assert.equal(long.because(), 'link-down');
  assert.equal(long.role(), 'backup');
  long.at(60_000, { kind: 'link', up: true });
  long.until(60_000 + down3 - 1);
  assert.equal(long.role(), 'backup');
  long.until(60_000 + down3);
  assert.equal(long.role(), 'master');
});

test('a backup that was paused listens once more before it believes the silence', () => {
  const it = router().start();
  assert.deepEqual(it.at(down3 + 9000, { kind: 'tick' }), []);
  assert.equal(it.role(), 'backup');
  it.until(down3 + 9000 + down3);
  assert.equal(it.role(), 'master');
});

test('a timer is believed on a tick only: what was received while it was due is told first', () => {
  const it = router().start();
  assert.deepEqual(it.heard(down3 + 5, 99), []);
  assert.deepEqual(it.heard(down3 + 5, 150), []);
  assert.deepEqual(it.at(down3 + 5, { kind: 'tick' }), []);
  assert.equal(it.role(), 'backup');
});

test('the authority ends when others may take over', () => {
  const it = router({ advertInterval: millis(100) }).master();
  const leadership = vrrpLeadership(it.state(), 'lb1');
  const { role } = it.state();
  assert.ok(role.kind === 'master');
  assert.equal(leadership.leader, 'lb1');
  assert.deepEqual(leadership.authority, {
    kind: 'proven',
    until: role.sentAt + 300 + (156 * 100) / 256,
    thenHeld: true,
  });
});

test('where an earlier process was master it begins as master, if it begins in time', () => {
  const heir = (masterUntil: number, begins: number) => {
    const it = router();
    it.at(0, { kind: 'start', masterUntil: masterUntil as Instant });
    it.at(begins, { kind: 'source', source: own });
    const said = it.at(begins, { kind: 'fault', fault: undefined });
    return [it.role(), it.because(), ...said];
  };
  assert.deepEqual(heir(1000, 30), ['master', 'handed-over', 'advertise 100']);
  assert.deepEqual(heir(1000, 1000), ['backup', 'starting']);
});

test('a master that cedes says what it said, hears nobody, and falls silent when it is replaced', () => {
  const it = router().master().until(20_000);
  assert.deepEqual(it.at(20_000, { kind: 'cede' }), []);
  const { advertAt } = it.state().role as { readonly advertAt: number };
  assert.deepEqual(it.heard(20_001, 255), []);
  assert.deepEqual(it.heard(20_002, 0), []);
  assert.deepEqual(it.at(advertAt, { kind: 'tick' }), ['advertise 100']);
  assert.deepEqual(it.at(advertAt + 10, { kind: 'replaced' }), ['stopped']);
  assert.deepEqual(it.at(advertAt + 2000, { kind: 'tick' }), []);
  assert.equal(nextVrrpDeadline(it.state()), undefined);
});

test('nobody replaced it: with 0 it is gone, for no longer than a bound it speaks, and after a pause not at all', () => {
  const ceded = () => {
    const it = router({ advertInterval: millis(100) })
      .master()
      .until(20_000);
    it.at(20_000, { kind: 'cede' });
    it.seen.length = 0;
    return it;
  };
  assert.deepEqual(ceded().at(20_050, { kind: 'stop' }), ['advertise 0', 'stopped']);
  const silent = ceded().until(40_000);
  const spoke = silent.seen;
  assert.ok(Number(spoke.at(-1)?.split(' ')[0]) <= 25_000, spoke.at(-1));
  assert.ok(spoke.length >= 49, `${spoke.length}`);
  assert.equal(nextVrrpDeadline(silent.state()), undefined);
  assert.deepEqual(silent.at(40_000, { kind: 'stop' }), ['stopped']);
  assert.deepEqual(ceded().until(25_100).at(25_100, { kind: 'stop' }), ['advertise 0', 'stopped']);
  const paused = ceded();
  assert.deepEqual(paused.at(20_600, { kind: 'tick' }), []);
  assert.equal(nextVrrpDeadline(paused.state()), undefined);
  assert.deepEqual(paused.at(20_700, { kind: 'stop' }), ['stopped']);
});

test('a backup that cedes says nothing more, and its programs hear of its end only when nobody replaced it', () => {
  const ceded = () => {
    const it = router().start();
    it.at(100, { kind: 'cede' });
    assert.deepEqual([notifiedState(it.state(), false), nextVrrpDeadline(it.state())], ['BACKUP', undefined]);
    assert.deepEqual(it.until(40_000).at(40_000, { kind: 'tick' }), []);
    return it;
  };
  const replaced = ceded();
  assert.deepEqual(replaced.at(40_001, { kind: 'replaced' }), ['stopped']);
  assert.equal(notifiedState(replaced.state(), false), undefined);
  const stopped = ceded();
  assert.deepEqual(stopped.at(40_001, { kind: 'stop' }), ['stopped']);
  assert.equal(notifiedState(stopped.state(), false), 'STOP');
});

test('what a master leaves is good for its down interval, or a second where that is shorter', () => {
  const bequest = (advertInterval: number) => {
    const it = router({ advertInterval: millis(advertInterval) })
      .master()
      .until(20_000);
    const { sentAt } = it.state().role as { readonly sentAt: number };
    it.at(20_000, { kind: 'cede' });
    return { sentAt, until: bequestOf(it.state(), 20_000 as Instant)?.until };
  };
  const slow = bequest(1000);
  assert.equal(slow.until, slow.sentAt + down3);
  assert.equal(bequest(100).until, 21_000);
  const backup = router().start();
  backup.at(100, { kind: 'cede' });
  assert.equal(bequestOf(backup.state(), 100 as Instant), undefined);
});
