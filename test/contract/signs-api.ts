import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createEventApi } from '../../src/kubernetes/event-api.js';
import { asObject, type JsonObject } from '../../src/kubernetes/json.js';
import { createNodeLabelApi } from '../../src/kubernetes/node-label-api.js';
import type { LeadershipEvent } from '../../src/signs/api.js';
import { millis } from '../../src/time/instant.js';
import { type ApiUnderTest, openStation, type Station } from './api-servers.js';

const timeout = millis(5_000);

/** What `NodeLabelApi` and `EventApi` promise, over whichever API server `api` gives. */
export function signsApiContract(server: string, api: () => ApiUnderTest): void {
  describe(`NodeLabelApi and EventApi over the ${server} API`, () => {
    let station: Station;
    before(async () => {
      station = await openStation(api());
    });
    after(() => station[Symbol.asyncDispose]());

    async function operate(method: 'GET' | 'POST' | 'DELETE', path: string, more: object = {}): Promise<JsonObject> {
      const answer = await station.operator.request({ method, path, timeout, ...more });
      assert.ok(answer.ok, JSON.stringify(answer));
      return answer.body;
    }

    test('labels are set and removed, others stay, and the answer is all there are', async () => {
      const metadata = { name: 'cp1', labels: { 'kubernetes.io/os': 'linux', 'vip.vipd/old': '10.0.0.1' } };
      await operate('POST', '/api/v1/nodes', { body: { apiVersion: 'v1', kind: 'Node', metadata } });
      try {
        const node = createNodeLabelApi(station.client, 'cp1');
        const ours = { 'kube-vip.io/has-ip': '10.0.0.9', 'vip.vipd/api': 'fd000000000000000000000000000001' };
        const set = await node.patch({ ...ours, 'vip.vipd/old': null, 'vip.vipd/never': null }, timeout);
        assert.ok(set.ok, JSON.stringify(set));
        assert.deepEqual(set.labels, { 'kubernetes.io/os': 'linux', ...ours });
        const same = await node.patch(ours, timeout);
        assert.deepEqual(same, set);
        const gone = await node.patch({ 'kube-vip.io/has-ip': null, 'vip.vipd/api': null }, timeout);
        assert.deepEqual(gone, { ok: true, labels: { 'kubernetes.io/os': 'linux' } });
      } finally {
        await operate('DELETE', '/api/v1/nodes/cp1');
      }
    });

    test('the labels of a Node that is not there are refused', async () => {
      const answer = await createNodeLabelApi(station.client, 'nobody').patch({ 'vip.vipd/api': 'a' }, timeout);
      assert.equal(answer.ok ? 'ok' : answer.refusal, 'absent');
    });

    test('an Event is found by the Lease that it is about, once, however often it is told', async () => {
      const regarding = {
        namespace: 'kube-system',
        name: 'plndr-cp-lock',
        uid: '6f1c2f0e-0000-4000-8000-000000000001',
      };
      const event: LeadershipEvent = {
        name: 'plndr-cp-lock.1234.ab',
        regarding,
        type: 'Warning',
        reason: 'VipGivenUp',
        message: 'cp1 gave up VIP api (10.0.0.9): link-down',
        node: 'cp1',
        at: new Date('2026-01-02T03:04:05.678Z'),
      };
      const events = createEventApi(station.client);
      for (let i = 0; i < 2; i++) assert.deepEqual(await events.create(event, timeout), { ok: true });
      // As `kubectl describe lease` asks.
      const fieldSelector = `involvedObject.kind=Lease,involvedObject.name=plndr-cp-lock,involvedObject.uid=${regarding.uid}`;
      const { items } = await operate('GET', '/api/v1/namespaces/kube-system/events', { query: { fieldSelector } });
      assert.ok(Array.isArray(items));
      assert.equal(items.length, 1);
      const { involvedObject, reason, message, type, source, count, lastTimestamp } = asObject(items[0]) ?? {};
      assert.deepEqual(involvedObject, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...regarding });
      assert.deepEqual([type, reason, message, count], ['Warning', 'VipGivenUp', event.message, 1]);
      assert.deepEqual(source, { component: 'vipd', host: 'cp1' });
      assert.equal(lastTimestamp, '2026-01-02T03:04:05Z');
    });
  });
}
