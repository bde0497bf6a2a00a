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
  titleOf,
  withVrrpLan,
} from './vrrp-lan.js';

const v3: Speech = { version: 3, families: [4, 6], interval: 100, isUnicast: false };
const v2: Speech = { version: 2, families: [4, 6], interval: 1000, isUnicast: false, authPass: '1111' };

const pairs: readonly (readonly [Maker, Maker])[] = [
  ['vipd', 'keepalived'],
  ['keepalived', 'vipd'],
];

/** Of keepalived: v3 is a vrrp_sync_group of two instances, v2 one instance with the IPv6 address in virtual_ipaddress_excluded. */
function bothFamilies(speech: Speech): void {
  for (const [higher, lower] of pairs) {
    it(`${higher} 150 and ${lower} 100, ${titleOf(speech)}: both addresses move together`, async () => {
      const settings = [
        { by: higher, priority: 150 },
        { by: lower, priority: 100 },
      ];
      await withVrrpLan(speech, settings, async (lan) => {
        const [first, second] = lan.routers as [Router, Router];
        /** How far apart the two addresses came to a host, in milliseconds. */
        const together = ({ host }: Router) => {
          const [a = 0, b = 0] = lan.vips.map((ip) => lan.held.lastChange(host, ip, true) ?? 0);
          assert.ok(Math.abs(a - b) < speech.interval, `${Math.abs(a - b)} ms apart`);
        };
        await second.start();
        await until(() => second.leads(), patiently('the one alone to lead'));
        together(second);

        await first.start();
        await until(() => first.leads() && second.hasNone(), patiently('the higher priority to lead'));
        await until(() => second.follows(), patiently('the lower one to follow'));
        together(first);
        await lan.isAccepted(first);
        const spoken = new Set(first.sent().map(({ family }) => family));
        assert.deepEqual([...spoken].sort(), speech.version === 2 ? [4] : [4, 6]);

        await handOver(lan, first, second);
        together(second);

        await first.start();
        await until(() => first.leads() && second.hasNone(), patiently('the higher priority to lead again'));
        await until(() => second.follows(), patiently('the lower one to follow again'));
        await first.die();
        await until(() => second.leads(), patiently('the lower one to take over'));
        const last = first.sent().at(-1)?.at ?? 0;
        assertSoon((await second.firstSent(last)) - last, second.down);
        together(second);

        await first.boot();
        await until(() => first.leads() && second.hasNone(), patiently('the higher priority to be back'));
        together(first);
        assertOneAtATime(lan);
        assert.deepEqual(await lan.allComplaints(), []);
      });
    });
  }
}

describe('a VIP of both families', { concurrency: 3 }, () => {
  bothFamilies(v2);
  bothFamilies(v3);
});
