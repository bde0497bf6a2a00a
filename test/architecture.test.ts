import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const src = join(root, 'src');

interface SourceFile {
  /** Below src, with slashes: `lease/machine.ts`. */
  readonly path: string;
  readonly text: string;
  /** What it imports: paths below src, or packages. */
  readonly imports: readonly string[];
}

const files: readonly SourceFile[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(src, path), 'utf8');
    const specifiers = [
      ...text.matchAll(/^(?:import|export)\b[^;]*? from '([^'\n]+)';/gm),
      ...text.matchAll(/\bimport\('([^'\n]+)'\)/g),
    ].map((match) => match[1] ?? '');
    const imports = specifiers.map((specifier) =>
      specifier.startsWith('.')
        ? relative(src, join(src, dirname(path), specifier)).replace(/\.js$/, '.ts')
        : specifier,
    );
    return { path, text, imports };
  });

function folderOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}

/** Every import that `isAllowed` refuses, as `file → import`. */
function violations(among: (file: SourceFile) => boolean, isAllowed: (imported: string) => boolean): readonly string[] {
  return files
    .filter(among)
    .flatMap(({ path, imports }) => imports.filter((i) => !isAllowed(i)).map((i) => `${path} → ${i}`));
}

test('values and time stand on nothing', () => {
  for (const folder of ['net', 'time']) {
    const allowed = (i: string) => folderOf(i) === folder || i === 'node:net';
    assert.deepEqual(
      violations((file) => folderOf(file.path) === folder, allowed),
      [],
    );
  }
});

const pure = [
  'arp/packet.ts',
  'arp/announcement.ts',
  'import/endpoints.ts',
  'import/found.ts',
  'import/haproxy-backend.ts',
  'import/haproxy-check.ts',
  'import/haproxy-lines.ts',
  'import/haproxy-proxy.ts',
  'import/haproxy-reasons.ts',
  'import/haproxy-server.ts',
  'import/haproxy.ts',
  'import/instance.ts',
  'import/keepalived-commands.ts',
  'import/keepalived-definitions.ts',
  'import/keepalived-groups.ts',
  'import/keepalived-reasons.ts',
  'import/keepalived-servers.ts',
  'import/keepalived-tracking.ts',
  'import/keepalived.ts',
  'import/nginx-reasons.ts',
  'import/nginx.ts',
  'import/service.ts',
  'import/statements.ts',
  'import/vips.ts',
  'import/weights.ts',
  'import/words.ts',
  'handover/messages.ts',
  'ipvs/foreign.ts',
  'ipvs/plan.ts',
  'lease/state.ts',
  'lease/machine.ts',
  'lease/attempt.ts',
  'lease/record.ts',
  'names/claims.ts',
  'names/machine.ts',
  'ndp/packet.ts',
  'ndp/announcement.ts',
  'nft/balancing.ts',
  'nft/masquerade.ts',
  'nft/redirects.ts',
  'nft/table.ts',
  'nft/turns.ts',
  'nodes/annotations.ts',
  'nodes/node.ts',
  'signs/change.ts',
  'signs/labels.ts',
  'supervisor/environment.ts',
  'supervisor/status-line.ts',
  'sysctl/needs.ts',
  'balancer/health.ts',
  'balancer/pool.ts',
  'vip/interface.ts',
  'vip/leadership.ts',
  'vip/leftovers.ts',
  'vip/lifetime.ts',
  'vip/machine.ts',
  'vip/neighbour-protocol.ts',
  'vip/schedule.ts',
  'vip/state.ts',
  'vrrp/config.ts',
  'vrrp/machine.ts',
  'vrrp/notify.ts',
  'vrrp/packet.ts',
  'vrrp/reception.ts',
  'vrrp/script.ts',
  'vrrp/serving.ts',
  'vrrp/state.ts',
  'vrrp/tracking.ts',
];

test('decisions are made where no socket, no timer and no log is', () => {
  const words = [
    ...pure,
    'vip/election.ts',
    'kernel/ports.ts',
    'kubernetes/refusal.ts',
    'lease/api.ts',
    'signs/api.ts',
    'vip/status.ts',
  ];
  const allowed = (i: string) => words.includes(i) || ['net', 'time'].includes(folderOf(i));
  assert.deepEqual(
    violations((file) => pure.includes(file.path), allowed),
    [],
  );
  assert.deepEqual(
    pure.filter((path) => !files.some((file) => file.path === path)),
    [],
  );
});

test('features meet in the composition root, through the words of vip/', () => {
  const features = [
    'arp',
    'balancer',
    'handover',
    'ipvs',
    'lease',
    'names',
    'ndp',
    'nft',
    'nodes',
    'proxy',
    'signs',
    'supervisor',
    'sysctl',
    'vip',
    'vrrp',
  ];
  const words = [
    'vip/leadership.ts',
    'vip/election.ts',
    'vip/data-path.ts',
    'vip/data-plane.ts',
    'vip/neighbour-protocol.ts',
    'vip/status.ts',
  ];
  for (const feature of features) {
    // Announcing is the VIP's own voice.
    const own = feature === 'vip' ? ['vip', 'arp', 'ndp'] : [feature];
    const allowed = (i: string) => !features.includes(folderOf(i)) || own.includes(folderOf(i)) || words.includes(i);
    assert.deepEqual(
      violations((file) => folderOf(file.path) === feature, allowed),
      [],
    );
  }
});

test('only the composition root knows Linux and Kubernetes; the rest knows their ports', () => {
  const insiders = (file: SourceFile) =>
    [
      'daemon.ts',
      'vip-parts.ts',
      'lease-parts.ts',
      'load-balancer-parts.ts',
      'planes.ts',
      'signs-parts.ts',
      'node-interfaces.ts',
      'main.ts',
    ].includes(file.path) || ['kernel', 'kubernetes', 'lab'].includes(folderOf(file.path));
  const allowed = (i: string) =>
    !i.startsWith('kernel/linux/') && (folderOf(i) !== 'kubernetes' || i === 'kubernetes/refusal.ts');
  assert.deepEqual(
    violations((file) => !insiders(file), allowed),
    [],
  );
});

test('Linux is put in by the composition root alone', () => {
  const roots = ['daemon.ts', 'planes.ts', 'main.ts'];
  assert.deepEqual(
    violations(
      (file) => !roots.includes(file.path) && !['kernel', 'lab'].includes(folderOf(file.path)),
      (i) => !i.startsWith('kernel/linux/'),
    ),
    [],
  );
});

test('every package has one home', () => {
  const homes: Readonly<Record<string, readonly string[]>> = {
    netlink: ['kernel/linux'],
    '@kubernetes/client-node': ['kubernetes'],
    'prom-client': ['telemetry'],
    pino: ['telemetry'],
    yargs: ['cli'],
    zod: ['config'],
    // Manifests are YAML too, with comments for whoever edits them.
    yaml: ['config', 'import', 'kubernetes', 'manifest'],
    '@peculiar/x509': ['lab'],
  };
  for (const { path, imports } of files) {
    for (const imported of imports) {
      if (imported.startsWith('node:') || imported.includes('.ts')) continue;
      const name = imported
        .split('/')
        .slice(0, imported.startsWith('@') ? 2 : 1)
        .join('/');
      assert.ok(
        homes[name]?.some((home) => path.startsWith(`${home}/`)),
        `${path} imports ${imported}`,
      );
    }
  }
});

test('one place calls setTimeout, one file touches process', () => {
  const calling = (pattern: RegExp) =>
    files.filter(({ text }) => pattern.test(text.replace(/`[^`]*`/g, ''))).map(({ path }) => path);
  assert.deepEqual(calling(/\bset(Timeout|Interval)\(\s*(\(|[a-z])/), ['time/system-clock.ts']);
  assert.deepEqual(calling(/\bprocess\.(?=[a-z])(?!env\.VIPD_VERSION)/), ['main.ts']);
});
