import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { vipPort } from '../../src/lab/cluster.js';
import { tally } from '../../src/lab/measure.js';
import { millis } from '../../src/time/instant.js';
import { until } from './poll.js';
import { prepareCluster, startVipds } from './with-cluster.js';

/** No certificate has this name, so every check fails although all API servers serve. */
const healthCheck = { type: 'https', serverName: 'nobody.example', interval: '300ms', fastInterval: '100ms', fall: 1 };

describe('the last backend lost', { concurrency: 1 }, () => {
  for (const mode of ['proxy', 'nftables']) {
    for (const family of [4, 6] as const) {
      test(`${mode}, IPv${family}: the leader serves its own API server, to others and to itself`, async () => {
        const settings = { loadBalancer: { mode, ports: [vipPort], healthCheck } };
        await using cluster = await prepareCluster(`last-${mode}${family}`, { families: [family], settings });
        const leader = await startVipds(cluster);
        const states = async () => (await leader.status())?.vips[0]?.loadBalancer.backends.map(({ state }) => state);
        await until(async () => (await states())?.join() === 'down,down,down', { what: 'all backends down' });
        // Who connects between the address and the data path meets the plain VIP.
        const isServing = async () => (await readFile(leader.logs.vipd, 'utf8')).includes('"to":"serving"');
        await until(isServing, { what: 'the data path open' });
        const order = { ip: cluster.vip, port: vipPort, kind: 'request', every: millis(5), count: 30 } as const;
        const results = await cluster.client.probe({ ...order, timeout: millis(2000) }).ended;
        assert.deepEqual([...tally(results)], [[leader.name, 30]]);
        const own = `require('https').get({ host: '${cluster.vip}', port: ${vipPort}, path: '/readyz', rejectUnauthorized: false },
          (r) => { console.log(r.socket.getPeerCertificate().subject.CN); process.exit(); })`;
        assert.equal((await leader.host.run(process.execPath, ['-e', own])).trim(), leader.name);
      });
    }
  }
});
