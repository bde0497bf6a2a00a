import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { JsonObject } from '../../src/kubernetes/json.js';
import { createNodeApi } from '../../src/kubernetes/node-api.js';
import type { ControlPlaneNode, NodeWatchEvent } from '../../src/nodes/node.js';
import { millis } from '../../src/time/instant.js';
import { createEvents } from '../fakes/events.js';
import { type ApiUnderTest, clock, openStation, type Station } from './api-servers.js';

const timeout = millis(5_000);
const controlPlane = { 'node-role.kubernetes.io/control-plane': '' };

/** What `NodeApi` promises, over whichever API server `api` gives. */
export function nodeApiContract(server: string, api: () => ApiUnderTest): void {
  describe(`NodeApi over the ${server} API`, () => {
    let station: Station;
    const made = new Set<string>();
    before(async () => {
      station = await openStation(api());
    });
    after(() => station[Symbol.asyncDispose]());
    afterEach(async () => {
      for (const name of [...made]) await remove(name);
    });

    async function operate(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: JsonObject): Promise<void> {
      const answer = await station.operator.request({ method, path, timeout, ...(body && { body }) });
      assert.ok(answer.ok, JSON.stringify(answer));
    }

    async function add(name: string, labels: Record<string, string>, ...ips: readonly string[]): Promise<void> {
      const metadata = { name, labels };
      await operate('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata });
      made.add(name);
      const internal = ips.map((address) => ({ type: 'InternalIP', address }));
      const addresses = [
        { type: 'Hostname', address: name },
        ...internal,
        { type: 'ExternalIP', address: '192.0.2.9' },
      ];
      await operate('PATCH', `/api/v1/nodes/${name}/status`, { status: { addresses } });
      await setReady(name, 'True');
    }

    async function setReady(name: string, status: 'True' | 'False' | 'Unknown'): Promise<void> {
      const conditions = [
        { type: 'MemoryPressure', status: 'False' },
        { type: 'Ready', status },
      ];
      await operate('PATCH', `/api/v1/nodes/${name}/status`, { status: { conditions } });
    }

    async function remove(name: string): Promise<void> {
      made.delete(name);
      await operate('DELETE', `/api/v1/nodes/${name}`);
    }

    function watch() {
      const events = createEvents<NodeWatchEvent>();
      const watching = createNodeApi(station.client, clock).watch(events.push);
      return {
        events,
        pool: (expected: readonly ControlPlaneNode[], within?: number) =>
          events.next(`pool ${JSON.stringify(expected)}`, (event) => isPool(event, expected), within),
        [Symbol.dispose]: () => watching[Symbol.dispose](),
      };
    }

    test('the pool is the control-plane nodes, by name, with their internal addresses', async () => {
      await add('cp2', controlPlane, '10.0.0.2', 'FD00:0::2');
      await add('worker', {}, '10.0.0.3');
      await add('cp1', { ...controlPlane, 'kubernetes.io/os': 'linux' }, '10.0.0.1');
      using watched = watch();
      const first = await watched.events.next('event', () => true);
      assert.deepEqual(first, { kind: 'nodes', nodes: [node('cp1', '10.0.0.1'), node('cp2', '10.0.0.2', 'fd00::2')] });
    });

    test('no control-plane node is an empty pool', async () => {
      using watched = watch();
      assert.deepEqual(await watched.events.next('event', () => true), { kind: 'nodes', nodes: [] });
    });

    test('a node joins when it is added, and leaves when it is not ready, loses the label or is deleted', async () => {
      await add('cp1', controlPlane, '10.0.0.1');
      const cp1 = node('cp1', '10.0.0.1');
      const cp2 = node('cp2', '10.0.0.2');
      using watched = watch();
      await watched.pool([cp1]);
      await add('cp2', controlPlane, '10.0.0.2');
      await watched.pool([cp1, cp2], 1_000);
      await add('worker', {}, '10.0.0.9');
      await setReady('cp2', 'Unknown');
      await watched.pool([cp1, { ...cp2, ready: false }], 1_000);
      await setReady('cp2', 'True');
      await watched.pool([cp1, cp2], 1_000);
      const labels = { 'node-role.kubernetes.io/control-plane': null };
      await operate('PATCH', '/api/v1/nodes/cp2', { metadata: { labels } });
      await watched.pool([cp1], 1_000);
      await operate('PATCH', '/api/v1/nodes/cp2', { metadata: { labels: controlPlane } });
      await watched.pool([cp1, cp2], 1_000);
      await remove('cp1');
      await watched.pool([cp2], 1_000);
      assert.ok(!JSON.stringify(watched.events.all).includes('worker'));
    });

    test('added, made NotReady and deleted while the watch is down: right within a second of its return, at once', async () => {
      for (const number of [1, 2, 3]) await add(`cp${number}`, controlPlane, `10.0.0.${number}`);
      using watched = watch();
      await watched.pool([1, 2, 3].map((number) => node(`cp${number}`, `10.0.0.${number}`)));
      station.proxy.cut();
      await add('cp4', controlPlane, '10.0.0.4');
      await setReady('cp2', 'False');
      await remove('cp3');
      for (let i = 0; i < 5; i++) await watched.events.next('an interruption', ({ kind }) => kind === 'interrupted');
      station.proxy.restore();
      const first = await watched.events.next('pool', ({ kind }) => kind === 'nodes', 1_000);
      const nodes = [node('cp1', '10.0.0.1'), { ...node('cp2', '10.0.0.2'), ready: false }, node('cp4', '10.0.0.4')];
      assert.deepEqual(first, { kind: 'nodes', nodes });
    });

    test('nothing is told after it is disposed', async () => {
      const watched = watch();
      await watched.events.next('event', () => true);
      watched[Symbol.dispose]();
      const told = watched.events.all.length;
      await add('cp1', controlPlane, '10.0.0.1');
      assert.equal(watched.events.all.length, told);
    });
  });
}

function node(name: string, ...internalIps: readonly string[]): ControlPlaneNode {
  return { name, internalIps: internalIps as ControlPlaneNode['internalIps'], ready: true };
}

function isPool(event: NodeWatchEvent, nodes: readonly ControlPlaneNode[]): boolean {
  return event.kind === 'nodes' && JSON.stringify(event.nodes) === JSON.stringify(nodes);
}
