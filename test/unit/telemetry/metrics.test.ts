import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { Ip } from '../../../src/net/ip.js';
import { metricTable } from '../../../src/telemetry/metric-table.js';
import { createMetrics, type Metrics, type VipReading } from '../../../src/telemetry/metrics.js';
import type { PlaneStats } from '../../../src/vip/data-plane.js';
import { vipExample } from './status-example.js';

const options = { node: 'cp1', version: '1.2.3', vips: [{ name: 'api', lease: 'plndr-cp-lock' }] };

function traffic(...names: string[]): PlaneStats {
  const counts = { open: 2, total: 10, failed: 1, reset: 3, bytesFromClient: 1000n, bytesToClient: 2000n };
  const backends = names.map((name, index) => ({ name, ip: `10.0.0.${index}` as Ip, port: 6443, ...counts }));
  return { refused: 4, backends };
}

function reading(change: Partial<VipReading> = {}): VipReading {
  return {
    status: vipExample,
    lease: { name: 'plndr-cp-lock', ageSeconds: 0.5 },
    traffic: traffic('cp1', 'cp2'),
    ...change,
  };
}

/** The samples of the page, by `name{labels}`. */
async function samples(metrics: Metrics): Promise<Map<string, number>> {
  const { text } = await metrics.render();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

test('the state is read when asked for', async () => {
  const metrics = createMetrics(options);
  metrics.readFrom(async () => [reading()]);
  const page = await samples(metrics);
  const expected = {
    'kube_vip_is_leader{node="cp1",lease_name="plndr-cp-lock"}': 1,
    'kube_vip_build_info{version="1.2.3",node="cp1"}': 1,
    'vipd_vip_held{vip="api",address="192.168.1.100/32"}': 1,
    'vipd_lease_age_seconds{lease_name="plndr-cp-lock"}': 0.5,
    'vipd_data_plane{vip="api",mode="proxy",because="configured"}': 1,
    'vipd_backend_up{vip="api",backend="cp1"}': 1,
    'vipd_backend_up{vip="api",backend="cp2"}': 0,
    'vipd_connections_open{vip="api",backend="cp1"}': 2,
    'vipd_connections_total{vip="api",backend="cp1"}': 10,
    'vipd_connections_failed_total{vip="api",backend="cp2"}': 1,
    'vipd_connections_reset_total{vip="api",backend="cp2"}': 3,
    'vipd_connections_refused_total{vip="api"}': 4,
    'vipd_bytes_total{vip="api",backend="cp1",direction="from_client"}': 1000,
    'vipd_bytes_total{vip="api",backend="cp1",direction="to_client"}': 2000,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(page.get(name), value, name);
});

test('where VRRP elects: its state and the priority in force', async () => {
  const metrics = createMetrics(options);
  const vrrp = { state: 'BACKUP', priority: 41, configuredPriority: 101, because: [], master: undefined } as const;
  metrics.readFrom(async () => [reading({ lease: undefined, status: { ...vipExample, vrrp } })]);
  const page = await samples(metrics);
  assert.equal(page.get('vipd_vrrp_priority{vip="api"}'), 41);
  assert.equal(page.get('vipd_vrrp_state{vip="api",state="BACKUP"}'), 1);
});

test('what happens is counted, and counters are there from the start', async () => {
  const metrics = createMetrics(options);
  const before = await samples(metrics);
  for (const name of [
    'vipd_announcements_total{vip="api",form="request"}',
    'vipd_announcements_total{vip="api",form="reply"}',
    'vipd_conflicts_total{vip="api"}',
    'kube_vip_leader_election_transitions_total{lease_name="plndr-cp-lock"}',
  ]) {
    assert.equal(before.get(name), 0, name);
  }
  metrics.announced('api', 'request');
  metrics.conflictSeen('api');
  metrics.leaderChanged('plndr-cp-lock');
  metrics.leaseRenewed('plndr-cp-lock', 0.004);
  metrics.tookOver('api', 0.02);
  metrics.apiAnswered('update', 'conflict');
  metrics.loopLagged(0.002);
  const page = await samples(metrics);
  assert.equal(page.get('vipd_announcements_total{vip="api",form="request"}'), 1);
  assert.equal(page.get('vipd_conflicts_total{vip="api"}'), 1);
  assert.equal(page.get('kube_vip_leader_election_transitions_total{lease_name="plndr-cp-lock"}'), 1);
  assert.equal(page.get('vipd_lease_renew_seconds_bucket{le="0.005",lease_name="plndr-cp-lock"}'), 1);
  assert.equal(page.get('vipd_takeover_seconds_sum{vip="api"}'), 0.02);
  assert.equal(page.get('vipd_api_requests_total{verb="update",result="conflict"}'), 1);
  assert.equal(page.get('vipd_event_loop_lag_seconds_count'), 1);
});

test('a backend that left leaves no series, and asking twice does not count twice', async () => {
  const metrics = createMetrics(options);
  let now = reading();
  metrics.readFrom(async () => [now]);
  metrics.checked('api', 'cp1', 0.001);
  metrics.checked('api', 'cp2', 0.001);
  assert.ok(
    [...(await samples(metrics)).keys()].some((name) => name.startsWith('vipd_check_seconds') && name.includes('cp2')),
  );
  const [cp1] = vipExample.loadBalancer.backends;
  assert.ok(cp1 !== undefined);
  const status = { ...vipExample, loadBalancer: { ...vipExample.loadBalancer, backends: [cp1] } };
  now = reading({ status, traffic: traffic('cp1') });
  const page = await samples(metrics);
  assert.deepEqual(
    [...page.keys()].filter((name) => name.includes('cp2')),
    [],
  );
  assert.equal(page.get('vipd_connections_total{vip="api",backend="cp1"}'), 10);
  assert.equal(page.get('vipd_check_seconds_count{vip="api",backend="cp1"}'), 1);
});

test('the page keeps the conventions of Prometheus; promtool agrees where it is installed', async (t) => {
  const metrics = createMetrics(options);
  metrics.readFrom(async () => [reading()]);
  metrics.checked('api', 'cp1', 0.001);
  const { text, contentType } = await metrics.render();
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
  for (const { name, type } of types) {
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
  }
  for (const { name } of Object.values(metricTable))
    assert.ok(
      types.some((type) => type.name === name),
      name,
    );
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (promtool.error !== undefined) t.diagnostic('promtool is not installed: not asked');
  else assert.equal(`${promtool.status} ${promtool.stdout}${promtool.stderr}`, '0 ');
});
