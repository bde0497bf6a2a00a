import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestOverlap, watchAddress } from '../../src/lab/address-watch.js';
import { type ClusterNode, vipPort, vips } from '../../src/lab/cluster.js';
import { familyOf, type Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { clock, until } from './poll.js';
import { prepareCluster, startVipds } from './with-cluster.js';

const both = [vips[4], vips[6]];
/** How the leader ends; in the first two its host stays on the LAN, and may answer for whatever it has. */
const endings: Readonly<Record<string, (leader: ClusterNode) => Promise<unknown>>> = {
  'is told to stop': async ({ vipd }) => {
    vipd?.signal('SIGTERM');
    await vipd?.ended;
  },
  'is killed': async ({ vipd }) => {
    vipd?.signal('SIGKILL');
    await vipd?.ended;
  },
  'is cut off': (leader) => leader.kill(),
};

for (const [ending, end] of Object.entries(endings)) {
  test(`the leader ${ending}: both addresses move together, and clients that knew the old holder reach the new one within 1 s`, async (t) => {
    await using cluster = await prepareCluster(`dual-${Object.keys(endings).indexOf(ending)}`, { families: [4, 6] });
    const watches = await Promise.all(
      cluster.nodes.map(({ host }) => Promise.all(both.map((ip) => watchAddress(host, ip, clock)))),
    );
    const leader = await startVipds(cluster);
    const probes = both.map((ip) =>
      cluster.client.probe({ ip, port: vipPort, kind: 'connect', every: millis(10), timeout: millis(1000) }),
    );
    const hasAnswered = (after: number) =>
      probes.every(({ results }) => results.some(({ at, outcome }) => outcome === 'ok' && at > after));
    await until(() => hasAnswered(0), { what: 'an answer at both addresses' });
    await end(leader);
    const next = await until(
      () => cluster.nodes.find((node, i) => node !== leader && watches[i]?.every((watch) => watch.held())),
      { within: 12_000, what: 'both addresses on another node' },
    );
    const taken = watches[cluster.nodes.indexOf(next)]?.map((watch) => watch.events[0]?.at ?? Number.NaN) ?? [];
    const [first = Number.NaN, second = Number.NaN] = taken;
    assert.ok(Math.abs(first - second) < 50, `${Math.abs(first - second)} ms between the families`);
    await until(() => hasAnswered(Math.max(...taken)), { what: 'an answer of the new holder at both addresses' });
    for (const [i, probe] of probes.entries()) {
      const results = await probe.stop();
      const moment = taken[i] as number;
      const ends = results.filter(({ outcome }) => outcome === 'ok').map(({ at, took }) => at + took);
      const took = Math.min(...ends.filter((at) => at > moment)) - moment;
      t.diagnostic(`IPv${familyOf(both[i] as Ip)}: reached ${Math.round(took)} ms after it was taken`);
      assert.ok(took < 1000, `IPv${familyOf(both[i] as Ip)}: ${took} ms after it was taken`);
      const tenures = watches.map((each) => each[i]?.tenures(Date.now()) ?? []);
      // A host that is cut off may have it until its dead-man's switch goes off: nobody can reach it there.
      if (ending !== 'is cut off') assert.equal(longestOverlap(tenures), 0);
    }
  });
}
