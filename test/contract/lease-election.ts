import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLeaseApi } from '../../src/kubernetes/lease-api.js';
import { until } from '../../src/lab/until.js';
import { createLeaseElection } from '../../src/lease/driver.js';
import type { LeaseRecord } from '../../src/lease/record.js';
import type { LeaseConfig } from '../../src/lease/state.js';
import { millis, plus } from '../../src/time/instant.js';
import type { Seed } from '../../src/time/random.js';
import type { Leadership } from '../../src/vip/leadership.js';
import { silentLog } from '../fakes/log.js';
import { type ApiUnderTest, clock, openStation } from './api-servers.js';

const namespace = 'kube-system';
const enough = millis(5000);
const quick = { duration: millis(2000), renewDeadline: millis(1200), retryPeriod: millis(400) };
let count = 0;

interface Contestant extends AsyncDisposable {
  readonly name: string;
  readonly proxy: { delay: number; cut(): void; restore(): void };
  /** Everything the election said, in order. */
  readonly said: readonly Leadership[];
  leads(): boolean;
  stop(): Promise<void>;
  setToken(token: string): Promise<void>;
}

interface Arena extends AsyncDisposable {
  contestant(name: string, config?: Partial<LeaseConfig>, token?: string): Promise<Contestant>;
  read(): Promise<LeaseRecord | undefined>;
  /** Another client changes the Lease. */
  edit(change: (record: LeaseRecord) => LeaseRecord): Promise<void>;
  annotate(): Promise<void>;
  annotations(): Promise<unknown>;
  remove(): Promise<void>;
}

/** What an election by Lease does, over whichever API server `api` gives. */
export function leaseElectionContract(server: string, api: () => ApiUnderTest): void {
  const within = (ms: number, what: string, condition: () => unknown) =>
    until(clock, condition, { within: millis(ms), every: millis(5), what });

  describe(`election by Lease over the ${server} API`, { concurrency: true }, () => {
    test('two contend: one leads; it stops, and the other follows within 300 ms', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      await using b = await arena.contestant('b');
      await within(1000, 'b follows', () => b.said.at(-1)?.because === 'held-by-other');
      await a.stop();
      await within(300, 'b leads', b.leads);
      assert.equal(b.said.at(-1)?.because, 'acquired-released');
      const record = await arena.read();
      assert.deepEqual([record?.holderIdentity, record?.leaseDurationSeconds], ['b', 2]);
      assert.match(record?.renewTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    });

    test('the last to stop leaves a Lease without a holder, of one second, transitions kept', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      await a.stop();
      const record = await arena.read();
      assert.deepEqual([record?.holderIdentity, record?.leaseDurationSeconds, record?.leaseTransitions], ['', 1, 0]);
    });

    test('409: a write in between costs nothing, and what it wrote stays', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      const before = (await arena.read())?.renewTime;
      for (let i = 0; i < 5; i++) await arena.annotate();
      await within(3000, 'two renewals', async () => ((await arena.read())?.renewTime ?? '') > (before ?? ''));
      assert.ok(
        a.said.every((word, i) => word.role === 'leader' || !a.said.slice(0, i).some((w) => w.role === 'leader')),
      );
      assert.deepEqual(await arena.annotations(), { 'vipd.test/by': 'hand' });
    });

    test('a stolen Lease is lost within 200 ms and taken again when the thief does not renew', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      await arena.edit((record) => ({ ...record, holderIdentity: 'thief' }));
      await within(200, 'a yields', () => !a.leads());
      await within(3000, 'a leads again', a.leads);
      assert.equal(a.said.at(-1)?.because, 'acquired-expired');
      assert.equal((await arena.read())?.leaseTransitions, 1);
    });

    test('a deleted Lease: one of two leads again within a second', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await using b = await arena.contestant('b');
      await within(3000, 'one leads', () => a.leads() !== b.leads());
      await arena.remove();
      await within(1000, 'the Lease is back', async () => ((await arena.read())?.holderIdentity ?? '') !== '');
      await within(1000, 'one leads', () => a.leads() !== b.leads());
    });

    test('an edited duration is set right, and the leader stays', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      for (const leaseDurationSeconds of [1, 3600]) {
        await arena.edit((record) => ({ ...record, leaseDurationSeconds }));
        await within(1500, 'the duration', async () => (await arena.read())?.leaseDurationSeconds === 2);
      }
      assert.ok(a.leads());
    });

    test('a watch that is cut does not delay a takeover once it can be taken up again', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      await using b = await arena.contestant('b');
      await within(1000, 'b follows', () => b.said.at(-1)?.because === 'held-by-other');
      b.proxy.cut();
      await within(3000, 'b misses the API', () => b.said.at(-1)?.because === 'waiting-for-api');
      b.proxy.restore();
      await a.stop();
      await within(1500, 'b leads', b.leads);
    });

    test('410 Gone: the Lease is read anew', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a');
      await within(3000, 'a leads', a.leads);
      await using b = await arena.contestant('b');
      await within(1000, 'b follows', () => b.said.at(-1)?.because === 'held-by-other');
      await api().forgetHistory();
      b.proxy.cut();
      b.proxy.restore();
      await a.stop();
      await within(1500, 'b leads', b.leads);
    });

    test('a token that is rejected, then accepted', async () => {
      await using arena = await openArena(api());
      await using a = await arena.contestant('a', {}, 'no-such-token');
      await within(3000, 'a is refused', () => a.said.at(-1)?.because === 'waiting-for-api');
      assert.equal(await arena.read(), undefined);
      await a.setToken(api().access.token);
      await within(3000, 'a leads', a.leads);
    });
  });
}

/** A minute: for the long suites. */
export function slowApiContract(server: string, api: () => ApiUnderTest): void {
  for (const onApiLoss of ['hold', 'release'] as const) {
    test(`${onApiLoss}: the ${server} API takes 2 s to answer for a minute, and the VIP stays`, async () => {
      await using arena = await openArena(api());
      const timings = { duration: millis(5000), renewDeadline: millis(3000), retryPeriod: millis(1000), onApiLoss };
      await using a = await arena.contestant('a', timings);
      await until(clock, a.leads, { within: enough, every: millis(5), what: 'a leads' });
      await using b = await arena.contestant('b', timings);
      const start = a.said.length;
      a.proxy.delay = 2000;
      b.proxy.delay = 2000;
      const end = plus(clock.now(), millis(60_000));
      await until(clock, () => clock.now() >= end, { within: millis(61_000), every: millis(50), what: 'a minute' });
      const lost = a.said.slice(start).filter((word) => word.authority.kind !== 'proven');
      assert.deepEqual([...new Set(lost.map((word) => word.because))], []);
      assert.ok(a.said.length - start > 200);
      assert.ok(!b.said.some((word) => word.role === 'leader'));
      a.proxy.delay = 0;
      b.proxy.delay = 0;
    });
  }
}

async function openArena(api: ApiUnderTest): Promise<Arena> {
  const name = `lease-${++count}-${Math.trunc(clock.now())}`;
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  const station = await openStation(api);
  const { operator } = station;
  const lease = createLeaseApi(operator, { namespace, name }, clock);

  async function change(with_: (object: Record<string, unknown>) => Record<string, unknown>): Promise<void> {
    for (;;) {
      const read = await lease.read(enough);
      assert.ok(read.ok);
      const body = with_(read.lease.object);
      const answer = await operator.request({ method: 'PUT', path, body, timeout: enough });
      if (answer.ok) return;
      assert.equal(answer.refusal, 'conflict');
    }
  }

  return {
    async contestant(identity, config = {}, token) {
      const station = await openStation(api);
      if (token !== undefined) await station.setToken(token);
      const said: Leadership[] = [];
      const election = createLeaseElection({
        api: createLeaseApi(station.client, { namespace, name }, clock),
        clock,
        config: { identity, ...quick, onApiLoss: 'hold', bootPatience: millis(60_000), ...config },
        seed: count as Seed,
        log: silentLog,
        observer: { request() {}, transition() {} },
      });
      // Stands for the VIP: on as long as the election says so.
      let on = false;
      election.start(() => {
        const word = election.leadership();
        said.push(word);
        const wanted = word.authority.kind !== 'none';
        if (wanted === on) return;
        on = wanted;
        queueMicrotask(() => election.address(wanted));
      });
      return {
        name: identity,
        proxy: station.proxy,
        said,
        leads: () => election.leadership().authority.kind === 'proven',
        stop: () => election.stop(),
        setToken: station.setToken,
        async [Symbol.asyncDispose]() {
          station.proxy.delay = 0;
          station.proxy.restore();
          await election.stop();
          await station[Symbol.asyncDispose]();
        },
      };
    },
    async read() {
      const answer = await lease.read(enough);
      if (answer.ok) return answer.lease.record;
      assert.equal(answer.refusal, 'absent');
      return undefined;
    },
    async edit(edit) {
      for (;;) {
        const read = await lease.read(enough);
        assert.ok(read.ok);
        const answer = await lease.update(read.lease, edit(read.lease.record), enough);
        if (answer.ok) return;
        assert.equal(answer.refusal, 'conflict');
      }
    },
    annotate: () =>
      change((object) => ({
        ...object,
        metadata: { ...(object.metadata as object), annotations: { 'vipd.test/by': 'hand' } },
      })),
    async annotations() {
      const answer = await lease.read(enough);
      return answer.ok ? (answer.lease.object.metadata as { annotations?: unknown }).annotations : undefined;
    },
    async remove() {
      const answer = await operator.request({ method: 'DELETE', path, timeout: enough });
      assert.ok(answer.ok);
    },
    [Symbol.asyncDispose]: () => station[Symbol.asyncDispose](),
  };
}
