import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BalancedService } from '../../../src/kernel/ports.js';
import type { Ip } from '../../../src/net/ip.js';
import { balancingStats, balancingTable } from '../../../src/nft/balancing.js';
import type { Statement, Table } from '../../../src/nft/table.js';

const backend = (number: number, draining = false, weight = 1) => ({
  name: `cp${number}`,
  ip: `192.0.2.${number}` as Ip,
  port: 6443,
  weight,
  draining,
});
const service = (...backends: BalancedService['backends']): BalancedService => ({
  ip: '192.0.2.100' as Ip,
  port: 6443,
  scheduler: 'roundrobin',
  backends,
});
const statements = (table: Table) => table.chains.flatMap((c) => c.rules.flatMap((r) => r.statements));
/** The backends of each service's chain, and of how many connections that reach it each takes one. */
const rounds = (table: Table) =>
  table.chains
    .filter(({ name }) => name.startsWith('service-'))
    .map(({ rules }) =>
      rules.map((rule) => {
        const every = rule.statements.find((s) => s.kind === 'every');
        const dnat = rule.statements.find((s) => s.kind === 'dnat');
        return `${dnat?.ip?.slice(-1)}/${every?.of ?? 1}`;
      }),
    );

test('each table begins the round at another backend', () => {
  const wanted = [service(backend(1), backend(2), backend(3))];
  assert.deepEqual(
    [0, 1, 2, 3].flatMap((turn) => rounds(balancingTable(wanted, turn))),
    [
      ['1/3', '2/2', '3/1'],
      ['2/3', '3/2', '1/1'],
      ['3/3', '1/2', '2/1'],
      ['1/3', '2/2', '3/1'],
    ],
  );
});

test('a backend has as many turns of a round as its weight, wherever the round begins', () => {
  const wanted = [service(backend(1, false, 30), backend(2, false, 10), backend(3, true, 7))];
  assert.deepEqual(
    [0, 1, 4].flatMap((turn) => rounds(balancingTable(wanted, turn))),
    [
      ['1/4', '1/3', '2/2', '1/1'],
      ['1/4', '2/3', '1/2', '1/1'],
      ['1/4', '1/3', '2/2', '1/1'],
    ],
  );
});

test('a draining backend is counted and gets nothing new; with none left nothing is distributed', () => {
  const draining = balancingTable([service(backend(1), backend(2, true))], 0);
  assert.deepEqual(rounds(draining), [['1/1']]);
  const counted = statements(draining).flatMap((s) => (s.kind === 'count-by' ? s.counters.map(({ ip }) => ip) : []));
  assert.deepEqual(counted, ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2']);
  for (const table of [balancingTable([service(backend(2, true))], 1), balancingTable([service()], 1)]) {
    const kinds = new Set(statements(table).map(({ kind }) => kind));
    assert.ok(!kinds.has('goto') && !kinds.has('dnat') && kinds.has('reset'));
  }
});

test('whatever the services, rules name only what the table holds, each once', () => {
  const anyBackend = fc.record({
    name: fc.string(),
    ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2') as fc.Arbitrary<Ip>,
    port: fc.constantFrom(6443, 8443),
    weight: fc.integer({ min: 1, max: 256 }),
    draining: fc.boolean(),
  });
  const anyService = fc.record({
    ip: fc.constantFrom('192.0.2.100', '192.0.2.101', '2001:db8::100') as fc.Arbitrary<Ip>,
    port: fc.constantFrom(6443, 443),
    scheduler: fc.constant('roundrobin' as const),
    backends: fc.array(anyBackend, { maxLength: 8 }),
  });
  const services = fc.uniqueArray(anyService, { selector: ({ ip, port }) => `${ip} ${port}`, maxLength: 4 });
  fc.assert(
    fc.property(services, fc.nat(), (wanted, turn) => {
      const table = balancingTable(wanted, turn);
      const chains = table.chains.map(({ name }) => name);
      assert.equal(new Set(chains).size, chains.length);
      assert.equal(new Set(table.counters).size, table.counters.length);
      for (const statement of statements(table)) {
        for (const chain of chainsOf(statement)) assert.ok(chains.includes(chain), chain);
        for (const counter of countersOf(statement)) assert.ok(table.counters.includes(counter), counter);
      }
      for (const name of [...chains, ...table.counters]) assert.match(name, /^[a-z][a-z0-9.-]*$/);
    }),
    { numRuns: 50 },
  );
});

test('counts are read by service and backend; what is missing counts nothing', () => {
  const wanted = [service(backend(1), backend(2))];
  const counters = balancingTable(wanted, 0).counters;
  assert.equal(counters.length, 6);
  const counts = new Map(
    counters.slice(0, 3).map((name, i) => [name, { packets: BigInt(i + 1), bytes: BigInt(100 * i) }]),
  );
  const at = { service: { ip: '192.0.2.100', port: 6443 }, port: 6443 };
  assert.deepEqual(balancingStats(wanted, counts), [
    { ...at, name: 'cp1', ip: '192.0.2.1', total: 1, bytesFromClient: 100n, bytesToClient: 200n },
    { ...at, name: 'cp2', ip: '192.0.2.2', total: 0, bytesFromClient: 0n, bytesToClient: 0n },
  ]);
});

function chainsOf(statement: Statement): readonly string[] {
  return statement.kind === 'jump' || statement.kind === 'goto' ? [statement.chain] : [];
}

function countersOf(statement: Statement): readonly string[] {
  if (statement.kind === 'count-by') return statement.counters.map(({ counter }) => counter);
  return statement.kind === 'count' ? [statement.counter] : [];
}
