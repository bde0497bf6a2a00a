import assert from 'node:assert/strict';
import { test } from 'node:test';
import { announcementFrame } from '../../src/arp/announcement.js';
import { longestOverlap } from '../../src/lab/address-watch.js';
import { vip } from '../../src/lab/cluster.js';
import { captureArp } from './arp-capture.js';
import { until } from './poll.js';
import { withCluster } from './with-cluster.js';

test('a takeover: the first announcement within 50 ms of the address, five in both forms, then every interval', () =>
  withCluster('burst', async (cluster) => {
    const leader = await cluster.holder(5000);
    const capture = await captureArp(cluster.clientHost);
    leader.vipd?.signal('SIGTERM');
    await leader.vipd?.ended;
    const next = await cluster.holder(5000);
    await until(() => capture.announcements(vip, next.host).length >= 12, { what: 'six announcements in both forms' });
    const seen = capture.announcements(vip, next.host);
    const put = next.address.events.find((event) => event.kind === 'put');
    assert.ok(put && seen[0] && seen[9] && seen[10]);
    assert.ok(seen[0].at - put.at < 50, `${seen[0].at - put.at} ms`);
    assert.deepEqual(
      seen.slice(0, 10).map((packet) => packet.operation),
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 'request' : 'reply')),
    );
    assert.ok(seen[9].at - seen[0].at < 1000);
    assert.ok(Math.abs(seen[10].at - seen[9].at - 3000) < 500);
  }));

test('a foreign claim is counted and answered, and the leader stays; gratuitous claims do not move the address', () =>
  withCluster('claim', async (cluster) => {
    const leader = await cluster.holder(5000);
    const capture = await captureArp(leader.host);
    const frame = Buffer.from(announcementFrame('reply', vip, cluster.clientHost.mac)).toString('hex');
    const script = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
for _ in range(20): s.send(bytes.fromhex('${frame}'))`;
    await cluster.clientHost.run('python3', ['-c', script]);
    await until(() => capture.announcements(vip, cluster.clientHost).length === 20, { what: 'the claims on the wire' });
    const lastClaim = capture.announcements(vip, cluster.clientHost).at(-1)?.at ?? 0;
    await until(() => capture.announcements(vip, leader.host).some((packet) => packet.at > lastClaim), {
      what: 'the holder’s answer',
    });
    const metrics = await leader.host.run('curl', ['-s', 'http://127.0.0.1:2112/metrics']);
    assert.match(metrics, /^vipd_conflicts_total\{vip="api"\} 20$/m);
    assert.equal(await cluster.holder(1000), leader);
    assert.equal((await leader.status())?.vips[0]?.role, 'leader');
  }));

for (const onApiLoss of ['hold', 'release']) {
  test(`${onApiLoss}: a leader whose API hangs is followed, and the address is never on two nodes`, () =>
    withCluster(
      onApiLoss,
      async (cluster) => {
        const leader = await cluster.holder(5000);
        leader.api?.signal('SIGSTOP');
        await until(() => cluster.holders().some((node) => node !== leader), { within: 8000, what: 'another holder' });
        assert.equal(longestOverlap(cluster.nodes.map((node) => node.address.tenures(Date.now()))), 0);
        leader.api?.signal('SIGCONT');
        assert.notEqual(await cluster.holder(1000), leader);
      },
      { election: { onApiLoss } },
    ));
}

test('hold: an API that hangs for everybody does not take the address away', () =>
  withCluster('outage', async (cluster) => {
    const leader = await cluster.holder(5000);
    for (const node of cluster.nodes) node.api?.signal('SIGSTOP');
    await until(async () => (await leader.status())?.vips[0]?.because === 'api-loss-hold', {
      what: 'the loss noticed',
    });
    const end = Date.now() + 5000;
    await until(() => Date.now() > end, { what: '5 s' });
    assert.deepEqual(cluster.holders(), [leader]);
    assert.equal(leader.address.tenures(Date.now()).length, 1);
    for (const node of cluster.nodes) node.api?.signal('SIGCONT');
    await until(async () => (await leader.status())?.vips[0]?.because === 'renewed', { what: 'the Lease renewed' });
  }));
