import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from './poll.js';
import {
  assertOneAtATime,
  assertSoon,
  handOver,
  type Maker,
  patiently,
  type Router,
  type Speech,
  speeches,
  titleOf,
  withVrrpLan,
} from './vrrp-lan.js';

/** Kills the leader: the next one leads after its down interval. */
async function dies(leader: Router, next: Router): Promise<void> {
  await leader.die();
  await until(() => next.leads(), patiently(`${next.host.name} to take over`));
  const last = leader.sent().at(-1)?.at ?? 0;
  assertSoon((await next.firstSent(last)) - last, next.down);
}

/** Comes back: it leads again, and who had the address gives it up. */
async function comesBack(router: Router, leader: Router): Promise<void> {
  await router.boot();
  await until(() => router.leads() && leader.hasNone(), patiently(`${router.host.name} to lead again`));
  await until(() => leader.follows(), patiently(`${leader.host.name} to follow`));
}

const makers: readonly (readonly [Maker, Maker, Maker])[] = [
  ['vipd', 'keepalived', 'vipd'],
  ['keepalived', 'vipd', 'keepalived'],
];

function threeRouters(speech: Speech): void {
  for (const [a, b, c] of makers) {
    it(`${a} 110, ${b} 100, ${c} 90, ${titleOf(speech)}: in that order, whoever dies, stops or comes back`, async () => {
      const settings = [
        { by: a, priority: 110 },
        { by: b, priority: 100 },
        { by: c, priority: 90 },
      ] as const;
      await withVrrpLan(speech, settings, async (lan) => {
        const [first, second, third] = lan.routers as [Router, Router, Router];
        await Promise.all([first.start(), second.start(), third.start()]);
        await until(() => first.leads(), patiently('the first to lead'));
        await until(async () => (await second.follows()) && (await third.follows()), patiently('the others to follow'));
        await lan.isAccepted(first);
        await dies(first, second);
        await until(() => third.follows(), patiently('the third to follow'));
        await lan.isAccepted(second);
        await handOver(lan, second, third);
        await comesBack(second, third);
        await comesBack(first, second);
        await lan.isAccepted(first);
        assert.ok(third.hasNone());
        // Where two ever had the address, the one had not yet heard the other.
        assertOneAtATime(lan);
        assert.deepEqual(await lan.allComplaints(), []);
      });
    });
  }
}

describe('three routers', { concurrency: 2 }, () => {
  // They wait for seconds, and cost nothing.
  describe('in seconds', { concurrency: 4 }, () => {
    for (const speech of speeches.filter(({ version }) => version === 2)) threeRouters(speech);
  });
  describe('in milliseconds', { concurrency: 2 }, () => {
    for (const speech of speeches.filter(({ version }) => version === 3)) threeRouters(speech);
  });
});
