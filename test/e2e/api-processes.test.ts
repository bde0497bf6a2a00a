import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { createLeaseApi } from '../../src/kubernetes/lease-api.js';
import { findRealServer, startRealCluster } from '../../src/lab/api/real-server.js';
import { until } from '../../src/lab/until.js';
import type { LeaseWatchEvent } from '../../src/lease/api.js';
import { releasedRecord } from '../../src/lease/record.js';
import { millis } from '../../src/time/instant.js';
import { clock, openStation, realServer } from '../contract/api-servers.js';
import { createEvents } from '../fakes/events.js';

const skip = realServer.missing ?? false;
const programs = findRealServer(process.env.KUBEBUILDER_ASSETS) ?? '';

test('two API servers before one etcd: what is written at one is seen at the other', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-api-'));
  try {
    await using cluster = await startRealCluster({ clock, programs, folder });
    const [first, second] = await Promise.all([
      cluster.addServer({ name: 'cp1' }),
      cluster.addServer({ name: 'cp2', host: '127.0.0.2' }),
    ]);
    assert.deepEqual(await Promise.all([subjectAt(first), subjectAt(second)]), ['cp1', 'cp2']);
    const open = (access: typeof first) =>
      openStation({ access, forgetHistory: async () => {}, [Symbol.asyncDispose]: async () => {} });
    await using here = await open(first);
    await using there = await open(second);
    const lease = { namespace: 'kube-system', name: 'plndr-cp-lock' };
    const events = createEvents<LeaseWatchEvent>();
    using _ = createLeaseApi(there.operator, lease, clock).watch(events.push);
    await events.next('absence', ({ kind }) => kind === 'absent');
    const empty = { holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0, acquireTime: '', renewTime: '' };
    const written = releasedRecord(empty, new Date());
    const created = await createLeaseApi(here.operator, lease, clock).create(written, millis(5_000));
    assert.ok(created.ok, JSON.stringify(created));
    const seen = await events.next('the Lease', (event) => event.kind === 'observed', 1_000);
    assert.ok(seen.kind === 'observed');
    assert.deepEqual(seen.lease.record, written);
    assert.equal(seen.lease.resourceVersion, created.lease.resourceVersion);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('the processes end with the one that started them, even when it is killed', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-api-'));
  const module = (path: string) => JSON.stringify(import.meta.resolve(path));
  const script = `
    import { startRealCluster } from ${module('../../src/lab/api/real-server.js')};
    import { createSystemClock } from ${module('../../src/time/system-clock.js')};
    const [programs, folder] = process.argv.slice(1);
    const clock = createSystemClock(() => performance.now());
    console.log((await startRealCluster({ clock, programs, folder })).etcd);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script, programs, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [etcd] = await once(createInterface(parent.stdout), 'line');
    const isUp = () =>
      fetch(`${etcd}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
    assert.ok(await isUp());
    parent.kill('SIGKILL');
    const gone = async () => !(await isUp());
    await until(clock, gone, { within: millis(5_000), every: millis(20), what: 'etcd is gone' });
  } finally {
    parent.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
});

/** The common name of the certificate that is served. */
function subjectAt({ url }: { readonly url: string }): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
