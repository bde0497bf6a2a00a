import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findBackend, findVips } from '../../../src/admin/find-backends.js';
import type { DaemonStatus } from '../../../src/vip/status.js';
import { statusExample, vipExample } from '../telemetry/status-example.js';

/** `api` with cp1 and cp2, and the VIPs that are given by name and backends. */
function statusWith(vips: Readonly<Record<string, readonly string[]>> = {}): DaemonStatus {
  const [backend] = vipExample.loadBalancer.backends;
  assert.ok(backend);
  const more = Object.entries(vips).map(([name, backends]) => ({
    ...vipExample,
    name,
    loadBalancer: { ...vipExample.loadBalancer, backends: backends.map((name) => ({ ...backend, name })) },
  }));
  return { ...statusExample, vips: [vipExample, ...more] };
}

function found(status: DaemonStatus, backend: string, vip?: string): readonly string[] {
  const result = findBackend(status, { backend, vip });
  return result.ok ? result.vips.map(({ name }) => name) : [result.refusal, ...result.problems];
}

test('without a VIP a backend counts in every one that has it, with one only there', () => {
  const status = statusWith({ web: ['cp2', 'cp3'] });
  assert.deepEqual(found(status, 'cp2'), ['api', 'web']);
  assert.deepEqual(found(status, 'cp3'), ['web']);
  assert.deepEqual(found(status, 'cp2', 'web'), ['web']);
});

test('an unknown backend or VIP is refused with those that there are', () => {
  const status = statusWith({ web: ['cp2', 'cp3'], empty: [] });
  assert.deepEqual(found(status, 'cq2'), [
    'unknown-backend',
    'there is no backend "cq2" (there are cp1, cp2, cp3); did you mean cp2?',
  ]);
  assert.deepEqual(found(status, 'cp1', 'web'), [
    'unknown-backend',
    'the VIP web has no backend "cp1" (it has cp2, cp3); did you mean cp2?',
  ]);
  assert.deepEqual(found(status, 'cp1', 'empty'), [
    'unknown-backend',
    'the VIP empty has no backend "cp1" (there is none)',
  ]);
  assert.deepEqual(found(status, 'cp1', 'wev'), [
    'unknown-vip',
    'there is no VIP "wev" (there are api, empty, web); did you mean web?',
  ]);
  assert.deepEqual(findVips(statusWith(), 'somewhere'), {
    ok: false,
    refusal: 'unknown-vip',
    problems: ['there is no VIP "somewhere" (there is api)'],
  });
});

test('whatever is asked for, the refusal is one line of bounded length', () => {
  const many = Array.from({ length: 5000 }, (_, index) => `node-${index}`);
  const [, problem = ''] = found(statusWith({ web: many }), `\x1b[2J\n${'x'.repeat(200)}`);
  assert.doesNotMatch(problem, /\p{Cc}/u);
  assert.match(problem, /, …: 5002 in all\)$/);
  assert.ok(problem.length < 500);
});
