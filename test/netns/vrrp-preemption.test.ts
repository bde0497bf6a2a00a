import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ip } from '../../src/net/ip.js';
import { until } from './poll.js';
import {
  assertOneAtATime,
  assertSoon,
  type Maker,
  patiently,
  type Router,
  type Speech,
  speeches,
  titleOf,
  withVrrpLan,
} from './vrrp-lan.js';

const pairs: readonly (readonly [Maker, Maker])[] = [
  ['vipd', 'keepalived'],
  ['keepalived', 'vipd'],
];

/** The one after the other, so that the one leads and the other follows. */
async function inOrder(leader: Router, follower: Router): Promise<void> {
  await leader.start();
  await until(() => leader.leads(), patiently(`${leader.host.name} to lead`));
  await follower.start();
  await until(() => follower.follows(), patiently(`${follower.host.name} to follow`));
}

function equals(speech: Speech): void {
  for (const [lower, higher] of pairs) {
    it(`${lower} and ${higher} of equal priority, ${higher} of the higher address, ${titleOf(speech)}`, async (context) => {
      const settings = [
        { by: lower, priority: 100 },
        { by: higher, priority: 100 },
      ];
      await withVrrpLan(speech, settings, async (lan) => {
        const [loser, winner] = lan.routers as [Router, Router];
        // Who was first leads: no backup takes over from its equal.
        await inOrder(loser, winner);
        await lan.isAccepted(loser);
        assert.ok(winner.hasNone());
        // Each alone both lead. When they hear each other again the higher address does (RFC 9568 section 6.4.3).
        await lan.part(true);
        await until(() => winner.leads(), patiently('both to lead'));
        assert.ok(loser.leads());
        await lan.part(false);
        const since = Date.now();
        await until(() => loser.hasNone() && winner.leads(), patiently('the lower address to yield'));
        assertOneAtATime(lan, since);
        context.diagnostic(`both for ${lan.longestOverlap(since).toFixed(0)} ms`);
        await until(() => loser.follows(), patiently('the lower address to follow'));
        await lan.isAccepted(winner);
        // The winner's gratuitous ARP may come before its advertisement, and is rightly called a conflict: both led.
        assert.deepEqual(
          (await lan.allComplaints()).filter((line) => !line.includes(' conflict: ')),
          [],
        );
      });
    });
  }
}

function withoutPreemption(speech: Speech): void {
  for (const [higher, lower] of pairs) {
    it(`${higher} 150 does not preempt ${lower} 100, ${titleOf(speech)}`, async () => {
      const settings = [
        { by: higher, priority: 150, preempt: false },
        { by: lower, priority: 100 },
      ];
      await withVrrpLan(speech, settings, async (lan) => {
        const [quiet, other] = lan.routers as [Router, Router];
        await inOrder(other, quiet);
        await lan.isAccepted(other);
        assert.ok(quiet.hasNone());
        // It takes what nobody has,
        await other.stop();
        await until(() => quiet.leads(), patiently('it to take over'));
        const farewell = await other.farewell(0);
        assertSoon((await quiet.firstSent(farewell)) - farewell, quiet.skew);
        // is obeyed while it leads,
        await other.start();
        await until(() => other.follows(), patiently('the other to follow'));
        await lan.isAccepted(quiet);
        // and back from the dead it leaves the VIP where it is.
        await quiet.die();
        await until(() => other.leads(), patiently('the other to take over'));
        await quiet.boot();
        await until(() => quiet.follows(), patiently('it to follow'));
        await lan.isAccepted(other);
        assert.ok(quiet.hasNone());
        assert.deepEqual(await lan.allComplaints(), []);
      });
    });
  }
}

function delayed(speech: Speech): void {
  const preemptDelay = 1500;
  for (const [higher, lower] of pairs) {
    it(`${higher} 150 preempts ${lower} 100 after ${preemptDelay} ms, ${titleOf(speech)}`, async () => {
      const settings = [
        { by: higher, priority: 150, preemptDelay },
        { by: lower, priority: 100 },
      ];
      await withVrrpLan(speech, settings, async (lan) => {
        const [patient, other] = lan.routers as [Router, Router];
        const startedAt = Date.now();
        await inOrder(other, patient);
        const followedAt = Date.now();
        await until(() => patient.leads() && other.hasNone(), patiently('it to take over'));
        // The delay counts from the first advertisement that it hears; then what is left of its timer runs out.
        const at = await patient.firstSent(startedAt);
        const led = lan.held.lastChange(other.host, lan.vips[0] as Ip, true) ?? 0;
        assert.ok(at - led > preemptDelay, `${at - led} ms`);
        const most = preemptDelay + patient.down + speech.interval + 300;
        assert.ok(at - followedAt < most, `${at - followedAt} ms, ${most} ms at most`);
        // What nobody has it takes without delay.
        await patient.stop();
        await until(() => other.leads(), patiently('the other to take over'));
        await other.stop();
        await patient.start();
        const restartedAt = Date.now();
        await until(() => patient.leads(), patiently('it to lead'));
        const waited = Date.now() - restartedAt;
        assert.ok(waited < preemptDelay, `${waited} ms`);
      });
    });
  }
}

const inSeconds = speeches.filter(({ version }) => version === 2);
const inMilliseconds = speeches.filter(({ version }) => version === 3);

describe('who takes over from whom', { concurrency: 2 }, () => {
  // They wait for seconds, and cost nothing.
  describe('in seconds', { concurrency: 8 }, () => {
    for (const speech of inSeconds) equals(speech);
    for (const speech of inSeconds) withoutPreemption(speech);
  });
  describe('in milliseconds', { concurrency: 2 }, () => {
    for (const speech of inMilliseconds) equals(speech);
    for (const speech of inMilliseconds) withoutPreemption(speech);
    for (const speech of inMilliseconds.filter(({ families, isUnicast }) => families.includes(4) !== isUnicast))
      delayed(speech);
  });
});
