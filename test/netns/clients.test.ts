import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { type Cluster, vip, vipPort } from '../../src/lab/cluster.js';
import { until } from './poll.js';
import { withCluster } from './with-cluster.js';

/** Connections that say nothing and wait, as a kubelet's watch does. */
interface Idle {
  readonly open: () => number;
  readonly reset: () => number;
}

async function openIdle(cluster: Cluster, count: number): Promise<Idle> {
  const script = `
    let open = 0, reset = 0;
    for (let i = 0; i < ${count}; i++) {
      const socket = require('net').connect(${vipPort}, '${vip}', () => { open++; tell(); });
      socket.on('error', (error) => { open--; if (error.code === 'ECONNRESET') reset++; tell(); });
    }
    const tell = () => console.log(open + ' ' + reset);`;
  const child = cluster.clientHost.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let counts = [0, 0];
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    counts = line.split(' ').map(Number);
  });
  await until(() => counts[0] === count, { what: `${count} open connections` });
  return { open: () => counts[0] ?? 0, reset: () => counts[1] ?? 0 };
}

describe('clients of a leader that goes', { concurrency: 1 }, () => {
  test('told to stop: every idle connection is reset', () =>
    withCluster('reset', async (cluster) => {
      const leader = await cluster.holder(5000);
      const idle = await openIdle(cluster, 1000);
      leader.vipd?.signal('SIGTERM');
      await until(() => idle.open() === 0, { within: 2000, what: 'no connection left open' });
      assert.equal(idle.reset(), 1000);
    }));

  test('stopped and followed: every idle connection is reset when it wakes, although its address is gone', () =>
    withCluster('wake', async (cluster) => {
      const leader = await cluster.holder(5000);
      const idle = await openIdle(cluster, 200);
      leader.vipd?.signal('SIGSTOP');
      await until(() => !leader.address.held(), { what: 'the address gone from the stopped node' });
      const next = await cluster.holder(7000);
      assert.notEqual(next, leader);
      leader.vipd?.signal('SIGCONT');
      await until(() => idle.open() === 0, { within: 2000, what: 'no connection left open' });
      assert.equal(idle.reset(), 200);
    }));

  test('robbed of the Lease: every idle connection is reset', () =>
    withCluster('rob', async (cluster) => {
      const leader = await cluster.holder(5000);
      const idle = await openIdle(cluster, 200);
      const path = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/plndr-cp-lock';
      const authorization = `Bearer ${cluster.api.token}`;
      const url = `https://${leader.host.ip}:6443${path}`;
      await until(
        async () => {
          const read = await cluster.client.call({ method: 'GET', url, headers: { authorization } });
          const lease = JSON.parse(read.body);
          lease.spec.holderIdentity = 'thief';
          const headers = { authorization, 'content-type': 'application/json' };
          const write = await cluster.client.call({ method: 'PUT', url, headers, body: JSON.stringify(lease) });
          return write.status === 200;
        },
        { what: 'the Lease stolen' },
      );
      await until(() => idle.open() === 0, { within: 2000, what: 'no connection left open' });
      assert.equal(idle.reset(), 200);
    }));
});
