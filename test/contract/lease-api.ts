import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../src/kubernetes/json.js';
import { createLeaseApi } from '../../src/kubernetes/lease-api.js';
import type { LeaseAnswer, LeaseApi, LeaseWatchEvent } from '../../src/lease/api.js';
import { type LeaseRecord, microTime, type ObservedLease, releasedRecord } from '../../src/lease/record.js';
import { millis } from '../../src/time/instant.js';
import { createEvents, type Events } from '../fakes/events.js';
import { type ApiUnderTest, clock, openStation, type Station } from './api-servers.js';

const namespace = 'kube-system';
const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
const enough = millis(5_000);
let count = 0;

/** What `LeaseApi` promises, over whichever API server `api` gives. */
export function leaseApiContract(server: string, api: () => ApiUnderTest): void {
  describe(`LeaseApi over the ${server} API`, { concurrency: true }, () => {
    const open = () => openLease(api());

    test('what is created is read back field by field', async () => {
      await using at = await open();
      const { lease } = at;
      const record = heldBy('cp1');
      const created = expectLease(await lease.create(record, enough));
      assert.deepEqual(created.record, record);
      assert.deepEqual(expectLease(await lease.read(enough)), created);
    });

    test('a Lease that is not there is absent', async () => {
      await using at = await open();
      expectRefusal(await at.lease.read(enough), 'absent');
    });

    test('what exists cannot be created: conflict', async () => {
      await using at = await open();
      const { lease, foreign } = at;
      expectLease(await foreign.create(heldBy('cp2'), enough));
      expectRefusal(await lease.create(heldBy('cp1'), enough), 'conflict');
      assert.equal(expectLease(await lease.read(enough)).record.holderIdentity, 'cp2');
    });

    test('an update replaces the record under a new version', async () => {
      await using at = await open();
      const { lease } = at;
      const created = expectLease(await lease.create(heldBy('cp1'), enough));
      const renewed = { ...created.record, renewTime: microTime(new Date()), leaseTransitions: 7 };
      const updated = expectLease(await lease.update(created, renewed, enough));
      assert.deepEqual(updated.record, renewed);
      assert.notEqual(updated.resourceVersion, created.resourceVersion);
    });

    test('an update of what someone else wrote in between is a conflict', async () => {
      await using at = await open();
      const { lease, foreign } = at;
      const seen = expectLease(await lease.create(heldBy('cp1'), enough));
      expectLease(await foreign.update(seen, heldBy('cp2'), enough));
      expectRefusal(await lease.update(seen, heldBy('cp1'), enough), 'conflict');
      assert.equal(expectLease(await lease.read(enough)).record.holderIdentity, 'cp2');
    });

    test('an update does not bring back a deleted Lease', async () => {
      await using at = await open();
      const { lease, path } = at;
      const seen = expectLease(await lease.create(heldBy('cp1'), enough));
      await at.operate('DELETE', path);
      const answer = await lease.update(seen, heldBy('cp1'), enough);
      assert.ok(!answer.ok && ['conflict', 'absent'].includes(answer.refusal), JSON.stringify(answer));
      expectRefusal(await lease.read(enough), 'absent');
    });

    test('labels and annotations of others are kept', async () => {
      await using at = await open();
      const { lease, path } = at;
      expectLease(await lease.create(heldBy('cp1'), enough));
      const metadata = { labels: { team: 'net' }, annotations: { 'example.com/note': 'keep me' } };
      await at.operate('PATCH', path, { metadata });
      const seen = expectLease(await lease.read(enough));
      const updated = expectLease(await lease.update(seen, heldBy('cp2'), enough));
      const { labels, annotations } = updated.object.metadata as JsonObject;
      assert.deepEqual({ labels, annotations }, metadata);
    });

    test('annotations of the settings are in every write, beside those of others', async () => {
      await using at = await open();
      let annotations: Record<string, string> = { 'example.com/team': 'net', mode: 'first' };
      const lease = createLeaseApi(at.client, { namespace, name: at.name, annotations: () => annotations }, clock);
      const read = async () => ((await at.operate('GET', at.path)).metadata as JsonObject).annotations;
      expectLease(await lease.create(heldBy('cp1'), enough));
      assert.deepEqual(await read(), annotations);
      await at.operate('PATCH', at.path, {
        metadata: { annotations: { 'example.com/note': 'keep me', mode: 'foreign' } },
      });
      annotations = { mode: 'second' };
      expectLease(await lease.update(expectLease(await lease.read(enough)), heldBy('cp2'), enough));
      assert.deepEqual(await read(), { 'example.com/team': 'net', 'example.com/note': 'keep me', mode: 'second' });
    });

    test('a released Lease has an empty holder, one second, and its transitions', async () => {
      await using at = await open();
      const { lease, path } = at;
      const held = expectLease(await lease.create({ ...heldBy('cp1'), leaseTransitions: 3 }, enough));
      const released = releasedRecord(held.record, new Date());
      assert.deepEqual(expectLease(await lease.update(held, released, enough)).record, released);
      const { spec } = await at.operate('GET', path);
      assert.deepEqual(spec, {
        holderIdentity: '',
        leaseDurationSeconds: 1,
        acquireTime: released.acquireTime,
        renewTime: released.renewTime,
        leaseTransitions: 3,
      });
    });

    test('the watch tells of absence, creation, a foreign change and deletion', async () => {
      await using at = await open();
      const { lease, foreign, path } = at;
      using watched = watch(lease);
      await watched.events.next('absence', isAbsent);
      const created = expectLease(await foreign.create(heldBy('cp2'), enough));
      assert.deepEqual((await observed(watched.events, 'cp2')).resourceVersion, created.resourceVersion);
      const stolen = expectLease(await foreign.update(created, heldBy('cp3'), enough));
      assert.deepEqual((await observed(watched.events, 'cp3')).record, stolen.record);
      await at.operate('DELETE', path);
      await watched.events.next('absence', isAbsent);
      assert.deepEqual(watched.events.all.filter(isInterruption), []);
    });

    test('what the watch tells of can be updated', async () => {
      await using at = await open();
      const { lease, foreign } = at;
      expectLease(await foreign.create(heldBy('cp2'), enough));
      using watched = watch(lease);
      const seen = await observed(watched.events, 'cp2');
      assert.equal(expectLease(await lease.update(seen, heldBy('cp1'), enough)).record.holderIdentity, 'cp1');
    });

    test('a watch whose time is over goes on without an interruption', async () => {
      await using at = await open();
      const { lease, foreign } = at;
      using watched = watch(lease);
      await watched.events.next('absence', isAbsent);
      const created = expectLease(await foreign.create(heldBy('cp1'), enough));
      await observed(watched.events, 'cp1');
      await new Promise<void>((resolve) => clock.at(later(2_200), resolve));
      expectLease(await foreign.update(created, heldBy('cp2'), enough));
      await observed(watched.events, 'cp2', 1_000);
      assert.deepEqual(watched.events.all.filter(isInterruption), []);
    });

    test('a watch that was cut catches up within a second of the network, deletion too', async () => {
      await using at = await open();
      const { lease, foreign, path } = at;
      const created = expectLease(await foreign.create(heldBy('cp1'), enough));
      using watched = watch(lease);
      await observed(watched.events, 'cp1');
      at.proxy.cut();
      assert.equal((await watched.events.next('an interruption', isInterruption)).refusal, 'unreachable');
      expectLease(await foreign.update(created, heldBy('cp2'), enough));
      // By the fifth failure the pauses have reached their longest.
      for (let i = 0; i < 5; i++) await watched.events.next('an interruption', isInterruption);
      at.proxy.restore();
      await observed(watched.events, 'cp2', 1_000);

      at.proxy.cut();
      await at.operate('DELETE', path);
      at.proxy.restore();
      await watched.events.next('absence', isAbsent, 1_000);
    });

    test('a token that is refused works as soon as the file has a good one', async () => {
      await using at = await open();
      await at.setToken('wrong');
      using watched = watch(at.lease);
      expectRefusal(await at.lease.read(enough), 'unauthorized');
      assert.equal((await watched.events.next('an interruption', isInterruption)).refusal, 'unauthorized');
      await at.setToken(api().access.token);
      expectLease(await at.lease.create(heldBy('cp1'), enough));
      await observed(watched.events, 'cp1');
      // And back: what is accepted already is not asked about again, a new token is.
      await at.setToken('wrong');
      expectLease(await at.lease.read(enough));
    });

    test('a slow API times out and does no harm to later calls', async () => {
      await using at = await open();
      const { lease } = at;
      const created = expectLease(await lease.create(heldBy('cp1'), enough));
      at.proxy.delay = 300;
      const started = performance.now();
      expectRefusal(await lease.read(millis(100)), 'timeout');
      const took = performance.now() - started;
      assert.ok(took < 250, `${took} ms`);
      expectRefusal(await lease.update(created, heldBy('cp2'), millis(100)), 'timeout');
      assert.equal(expectLease(await lease.read(enough)).record.leaseDurationSeconds, 5);
      at.proxy.delay = 0;
      expectLease(await lease.read(millis(1_000)));
    });

    test('what cannot be reached is unreachable, and can be reached again', async () => {
      await using at = await open();
      const { lease } = at;
      expectLease(await lease.create(heldBy('cp1'), enough));
      at.proxy.cut();
      expectRefusal(await lease.read(enough), 'unreachable');
      expectRefusal(await lease.create(heldBy('cp1'), enough), 'unreachable');
      at.proxy.restore();
      expectLease(await lease.read(enough));
    });

    test('connections that died in silence cost one timeout, not one for each', async () => {
      await using at = await open();
      const { lease } = at;
      await Promise.all(Array.from({ length: 3 }, () => lease.read(enough)));
      at.proxy.silence();
      expectRefusal(await lease.read(millis(100)), 'timeout');
      at.proxy.restore();
      expectRefusal(await lease.read(millis(1_000)), 'absent');
    });
  });

  // Apart from the others, whose watches it would break too.
  test(`LeaseApi over the ${server} API: after 410 Gone everything is read again`, async () => {
    await using at = await openLease(api());
    const { lease, foreign } = at;
    using watched = watch(lease);
    await watched.events.next('absence', isAbsent);
    await api().forgetHistory();
    const gone = await watched.events.next('an interruption', isInterruption);
    assert.equal(gone.refusal, 'gone', gone.detail);
    await watched.events.next('absence', isAbsent);
    expectLease(await foreign.create(heldBy('cp1'), enough));
    await observed(watched.events, 'cp1', 1_000);
  });
}

interface LeaseAtStation extends Station {
  readonly name: string;
  readonly path: string;
  readonly lease: LeaseApi;
  /** The same Lease in the hands of another client. */
  readonly foreign: LeaseApi;
  operate(method: 'GET' | 'PATCH' | 'DELETE', path: string, body?: JsonObject): Promise<JsonObject>;
}

/** A Lease of the test's own. */
async function openLease(api: ApiUnderTest): Promise<LeaseAtStation> {
  const station = await openStation(api);
  const name = `lease-${process.pid}-${count++}`;
  return {
    ...station,
    name,
    path: `${collection}/${name}`,
    lease: createLeaseApi(station.client, { namespace, name }, clock, { minimumWatch: millis(1_000) }),
    foreign: createLeaseApi(station.operator, { namespace, name }, clock),
    async operate(method, path, body) {
      const answer = await station.operator.request({ method, path, timeout: enough, ...(body && { body }) });
      assert.ok(answer.ok, JSON.stringify(answer));
      return answer.body;
    },
  };
}

function watch(lease: LeaseApi) {
  const events = createEvents<LeaseWatchEvent>();
  const watching = lease.watch(events.push);
  return { events, [Symbol.dispose]: () => watching[Symbol.dispose]() };
}

function heldBy(holderIdentity: string): LeaseRecord {
  const time = microTime(new Date());
  return { holderIdentity, leaseDurationSeconds: 5, acquireTime: time, renewTime: time, leaseTransitions: 0 };
}

function later(time: number) {
  return (clock.now() + time) as ReturnType<typeof clock.now>;
}

function expectLease(answer: LeaseAnswer): ObservedLease {
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.lease;
}

function expectRefusal(answer: LeaseAnswer, refusal: string): void {
  assert.equal(answer.ok ? 'ok' : answer.refusal, refusal, JSON.stringify(answer));
}

type Observed = Extract<LeaseWatchEvent, { kind: 'observed' }>;
type Interruption = Extract<LeaseWatchEvent, { kind: 'interrupted' }>;

const isAbsent = (event: LeaseWatchEvent) => event.kind === 'absent';
const isInterruption = (event: LeaseWatchEvent): event is Interruption => event.kind === 'interrupted';

async function observed(events: Events<LeaseWatchEvent>, holder: string, within?: number): Promise<ObservedLease> {
  const isIt = (event: LeaseWatchEvent): event is Observed =>
    event.kind === 'observed' && event.lease.record.holderIdentity === holder;
  return (await events.next(`Lease held by ${holder}`, isIt, within)).lease;
}
