// Writes docs/configuration.md, docs/metrics.md and a table in docs/migrating.md from the tables in src/ (compiled: run
// scripts/build.mjs first).
// `--check` writes nothing and fails when a file differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const { environmentName, globalSettings, vipSettings } = await import(join(root, 'dist/src/config/schema.js'));
const { isAppliedInPlace } = await import(join(root, 'dist/src/config/changes.js'));
const { kubeVipSettings } = await import(join(root, 'dist/src/config/kube-vip/carry.js'));
const { metricTable } = await import(join(root, 'dist/src/telemetry/metric-table.js'));

const documents = {
  'docs/configuration.md': configuration(),
  'docs/metrics.md': metrics(),
  'docs/migrating.md': migrating(),
};
for (const [name, text] of Object.entries(documents)) {
  const file = join(root, name);
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (read(file) !== text) {
    console.error(`generate-docs: ${name} is not what src/ says; run node scripts/generate-docs.mjs`);
    process.exitCode = 1;
  }
}

function configuration() {
  const example = read(join(root, 'manifests/vipd.yaml'));
  return `# Configuration

<!-- Written by scripts/generate-docs.mjs from src/config/schema.ts. -->

Every setting has a key in the file, a flag and an environment variable. A flag wins over the environment, the environment over
the file, the file over the default. The file is YAML or JSON and is named by \`--config\` or \`VIPD_CONFIG\`. Unknown keys, flags and
variables that begin with \`VIPD_\` are errors; an empty variable is the same as none. The names of kube-vip's variables and flags are
taken too: [migrating.md](migrating.md).

\`vipd config check\` says everything that is wrong at once; \`vipd config print\` prints the settings in force, each with where it
comes from.

A running daemon reads its file again at \`vipd reload\` or SIGHUP, and applies all that changed or nothing: [operations.md](operations.md).

Durations carry their unit: \`300ms\`, \`5s\`, \`1m\`, \`1h\`. In flags and variables the items of a list are joined by commas.

\`\`\`yaml
${example.trim()}
\`\`\`

## The node

${table(globalSettings, '')}
## Each VIP

A file may have several VIPs; names, addresses and Leases must differ. The flags and variables are those of the first VIP, which need
not be in a file.

${table(vipSettings, 'vips[].')}`;
}

function table(settings, prefix) {
  const sections = Object.entries(settings).map(([path, { flag, kind, default: value, defaultWords, doc }]) => {
    const fallback = defaultWords ?? `\`${Array.isArray(value) ? `[${value.join(', ')}]` : value}\``;
    return `### \`${prefix}${path}\`

${doc}

- Value: ${kind.words}
- Default: ${fallback}
- Flag: \`--${flag}\`, environment: \`${environmentName(flag)}\`
- A change is applied by: ${isAppliedInPlace(path) ? '`vipd reload`' : 'a restart'}
`;
  });
  return sections.join('\n');
}

function metrics() {
  const rows = Object.values(metricTable).map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  return `# Metrics

<!-- Written by scripts/generate-docs.mjs from src/telemetry/metric-table.ts. -->

Served at \`/metrics\` on the address \`metrics.listen\` (default \`:2112\`), in the Prometheus text format. Beside it are \`/livez\` and
\`/readyz\` (200, or 503 with a reason a line) and \`/\`, a status page for people.

${alignedTable([['Metric', 'Type', 'Labels', 'Meaning'], ...rows])}

The \`process_*\` and \`nodejs_*\` metrics of the Prometheus client are there too. Series of a backend that left the pool disappear.
`;
}

/** The page as it is, with the table of kube-vip's settings between its two comments. */
function migrating() {
  const page = read(join(root, 'docs/migrating.md'));
  const begin = '<!-- Written by scripts/generate-docs.mjs from src/config/kube-vip/. -->\n';
  const end = '\n<!-- End of what is written. -->';
  const [before, rest = ''] = page.split(begin);
  const after = rest.slice(rest.indexOf(end));
  return `${before}${begin}\n${kubeVipTable()}\n${after}`;
}

/** Settings of which the same is to be said share a row. */
function kubeVipTable() {
  const groups = new Map();
  for (const setting of kubeVipSettings) {
    const key = `${setting.verdict} ${setting.doc}`;
    groups.set(key, [...(groups.get(key) ?? []), setting]);
  }
  const code = (names) => names.map((name) => `\`${name}\``).join(', ');
  const rows = [...groups.values()].map((settings) => [
    code(settings.flatMap(({ variable }) => variable ?? [])),
    code(settings.flatMap(({ flags }) => flags.map((flag) => (flag.length === 1 ? `-${flag}` : `--${flag}`)))),
    settings[0].verdict,
    settings[0].doc,
  ]);
  const head = ['Variable', 'Flag', 'In vipd', 'How'];
  // Some cells are far too wide to align the others with.
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** As the formatter wants it: every column as wide as its widest cell. */
function alignedTable([head, ...rows]) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
