import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { millis } from '../../src/time/instant.js';
import { downInterval, skewTime } from '../../src/vrrp/config.js';
import { besideKeepalived, type Variant } from './beside-keepalived.js';
import { until } from './poll.js';

const variants: readonly Variant[] = [
  { version: 2, family: 4, interval: 1000, isUnicast: false, authPass: '1111' },
  { version: 3, family: 4, interval: 100, isUnicast: false },
  { version: 3, family: 6, interval: 100, isUnicast: false },
  { version: 2, family: 4, interval: 1000, isUnicast: true },
  { version: 3, family: 4, interval: 100, isUnicast: true },
  { version: 3, family: 6, interval: 100, isUnicast: true },
];

const titleOf = ({ version, family, isUnicast, interval }: Variant) =>
  `v${version}, IPv${family}, ${isUnicast ? 'unicast' : 'multicast'}, ${interval} ms`;

function besideEach(version: 2 | 3): void {
  for (const variant of variants.filter((each) => each.version === version)) {
    const { interval } = variant;
    const down = (priority: number) => downInterval(version, priority, millis(interval));
    const skew = (priority: number) => skewTime(version, priority, millis(interval));

    it(`vipd first, ${titleOf(variant)}: keepalived accepts it, and takes over in its own times`, async () => {
      await besideKeepalived(variant, { vipd: 150, keepalived: 100 }, async (place) => {
        const { ours, theirs, seen, isBy } = place;
        const vipd = await place.startVipd();
        await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
        const keepalived = await place.startTheirs();
        await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived to be backup' });
        // Longer than it would wait if it did not listen.
        const advertisements = () => seen.filter((one) => isBy(ours, one)).length;
        const before = advertisements();
        await until(() => advertisements() >= before + 9, { within: 30_000, what: 'nine advertisements' });
        assert.deepEqual(await keepalived.states(), ['BACKUP']);
        assert.deepEqual(await keepalived.complaints(), []);
        assert.ok(seen.every((one) => isBy(ours, one) && one.hopLimit === 255 && one.priority === 150));
        assert.equal(await place.holds(theirs), false);

        // An orderly stop: priority 1, until keepalived relieves it when its timer ends; the VIP is always somewhere.
        let isStopping = true;
        const orphaned: number[] = [];
        const watching = (async () => {
          while (isStopping) {
            const [here, there] = await Promise.all([place.holds(ours), place.holds(theirs)]);
            if (!here && !there) orphaned.push(Date.now());
          }
        })();
        vipd.signal('SIGTERM');
        await vipd.ended;
        await until(() => place.holds(theirs), { what: 'keepalived to have the VIP' });
        assert.equal(await place.holds(ours), false);
        isStopping = false;
        await watching;
        const high = seen.filter((one) => one.priority === 150).at(-1);
        const first = seen.find((one) => isBy(theirs, one));
        assert.ok(high !== undefined && first !== undefined);
        const waited = first.at - high.at;
        assert.ok(waited > down(100) - 20 && waited < down(100) + 200, `${waited} ms, down ${down(100)} ms`);
        assert.ok(orphaned.length <= 1, `seen on neither ${orphaned.length} times`);
        assert.ok(!seen.some((one) => one.priority === 0));

        // Back again it preempts, and keepalived yields.
        const again = await place.startVipd();
        await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived to yield' });
        await until(() => place.holds(ours), { what: 'vipd to have the VIP again' });

        // Dead, without a word: keepalived after its down interval.
        const since = seen.length;
        again.signal('SIGKILL');
        await again.ended;
        const successor = () => seen.slice(since).find((one) => isBy(theirs, one));
        await until(() => successor() !== undefined, { what: 'keepalived to take over' });
        const last = seen.filter((one) => isBy(ours, one)).at(-1);
        const silence = (successor()?.at ?? 0) - (last?.at ?? 0);
        assert.ok(silence > down(100) - 20 && silence < down(100) + 300, `${silence} ms, down ${down(100)} ms`);
        await until(async () => !(await place.holds(ours)), { what: 'the kernel to take the VIP from the dead' });
        assert.deepEqual(await keepalived.complaints(), []);
      });
    });

    it(`keepalived first, ${titleOf(variant)}: vipd follows, takes over in its own times, and yields`, async () => {
      await besideKeepalived(variant, { vipd: 100, keepalived: 150 }, async (place) => {
        const { ours, theirs, seen, isBy } = place;
        const keepalived = await place.startTheirs();
        await until(() => place.holds(theirs), { what: 'keepalived to have the VIP' });
        await place.startVipd();
        await until(async () => (await place.status()).because === 'held-by-other', { what: 'vipd to hear it' });
        const advertisements = () => seen.filter((one) => isBy(theirs, one)).length;
        const before = advertisements();
        await until(() => advertisements() >= before + 9, { within: 30_000, what: 'nine advertisements' });
        const { role, alarm, held } = await place.status();
        assert.deepEqual({ role, alarm, held }, { role: 'follower', alarm: undefined, held: false });
        assert.ok(seen.every((one) => isBy(theirs, one)));

        keepalived.daemon.signal('SIGTERM');
        await keepalived.daemon.ended;
        await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
        assert.equal((await place.status()).because, 'master-resigned');
        const farewell = seen.find((one) => one.priority === 0);
        const first = seen.find((one) => isBy(ours, one));
        assert.ok(farewell !== undefined && first !== undefined);
        const waited = first.at - farewell.at;
        assert.ok(waited > skew(100) - 20 && waited < skew(100) + 200, `${waited} ms, skew ${skew(100)} ms`);

        const again = await place.startTheirs();
        await until(() => place.holds(theirs), { what: 'keepalived to preempt' });
        await until(async () => !(await place.holds(ours)), { what: 'vipd to yield' });

        // A dead host: its cable too, since its kernel would still answer for the address.
        await theirs.linkDown();
        again.daemon.signal('SIGKILL');
        await until(() => place.holds(ours), { what: 'vipd to take over' });
        const last = seen.filter((one) => isBy(theirs, one)).at(-1);
        const successor = seen.find((one) => isBy(ours, one) && one.at > (last?.at ?? 0));
        const silence = (successor?.at ?? 0) - (last?.at ?? 0);
        assert.ok(silence > down(100) - 20 && silence < down(100) + 300, `${silence} ms, down ${down(100)} ms`);
        assert.deepEqual(await again.complaints(), []);
      });
    });
  }
}

describe('beside keepalived', { concurrency: 2 }, () => {
  // They wait for seconds, and cost nothing.
  describe('in seconds', { concurrency: 4 }, () => besideEach(2));
  describe('in milliseconds', { concurrency: 2 }, () => besideEach(3));
});
