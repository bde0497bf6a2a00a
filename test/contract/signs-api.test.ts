import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createEventApi } from '../../src/kubernetes/event-api.js';
import { createLeaseApi } from '../../src/kubernetes/lease-api.js';
import { createNodeLabelApi } from '../../src/kubernetes/node-label-api.js';
import { startEmbeddedApi } from '../../src/lab/api/embedded.js';
import { microTime } from '../../src/lease/record.js';
import { millis } from '../../src/time/instant.js';
import { type ApiUnderTest, clock, embeddedServer, openStation } from './api-servers.js';
import { signsApiContract } from './signs-api.js';

describe('the embedded Kubernetes API', () => {
  let api: ApiUnderTest;
  before(async () => {
    api = await embeddedServer.start();
  });
  after(() => api[Symbol.asyncDispose]());
  signsApiContract('embedded', () => api);
});

test('a PATCH of the Node that hangs holds up no call of the Lease, and one that times out changes nothing for it', async () => {
  await using api = await startEmbeddedApi({ clock });
  await using station = await openStation({ access: api, forgetHistory: async () => {}, ...noMore });
  const lease = createLeaseApi(station.client, { namespace: 'kube-system', name: 'plndr-cp-lock' }, clock);
  const time = microTime(new Date());
  const record = {
    holderIdentity: 'cp1',
    leaseDurationSeconds: 5,
    acquireTime: time,
    renewTime: time,
    leaseTransitions: 0,
  };
  assert.ok((await lease.create(record, millis(5_000))).ok);
  api.faults.delay = { by: millis(60_000), verbs: ['patch'] };
  const labels = createNodeLabelApi(station.client, 'cp1');
  const hanging = Array.from({ length: 20 }, () => labels.patch({ 'vip.vipd/api': 'a' }, millis(300)));
  for (let i = 0; i < 20; i++) assert.ok((await lease.read(millis(250))).ok);
  for (const answer of await Promise.all(hanging)) assert.equal(answer.ok ? 'ok' : answer.refusal, 'timeout');
  assert.ok((await lease.read(millis(250))).ok);
  api.faults.failing = true;
  const regarding = { namespace: 'kube-system', name: 'plndr-cp-lock', uid: undefined };
  const event = {
    name: 'a',
    regarding,
    type: 'Normal',
    reason: 'VipTaken',
    message: '',
    node: 'cp1',
    at: new Date(),
  } as const;
  const answer = await createEventApi(station.client).create(event, millis(1_000));
  assert.equal(answer.ok ? 'ok' : answer.refusal, 'server-error');
});

const noMore = { [Symbol.asyncDispose]: async () => {} };
