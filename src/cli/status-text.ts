import type { BackendStatus, DaemonStatus, VipStatus, VrrpStatus } from '../vip/status.js';

/** The status as a short page for people. `now` is the wall clock, for "3m 12s ago". */
export function statusText(status: DaemonStatus, now: Date): string {
  const vips = status.vips.map((vip) => vipText(vip, status.node, now));
  return [`node ${clean(status.node)}, vipd ${clean(status.version)}\n`, ...vips].join('\n');
}

/** One line for each VIP: what a log of changes shows. What changes with every connection and check is left out. */
export function statusLines(status: DaemonStatus): string[] {
  return status.vips.map((vip) => {
    const { backends, mode } = vip.loadBalancer;
    const up = backends.filter((backend) => backend.state === 'up').length;
    const words = [
      `${vip.name}: ${vip.role}`,
      `leader ${vip.leader ?? 'unknown'}`,
      vip.held ? 'held here' : 'not held here',
      mode === 'off' ? 'balancing off' : `${up} of ${backends.length} backends up`,
      `because ${vip.because}`,
      ...(vip.alarm === undefined ? [] : [`alarm: ${vip.alarm}`]),
    ];
    return clean(words.join(', '));
  });
}

/** The backends of the VIPs as one table. */
export function backendsText(vips: readonly VipStatus[], now: Date): string {
  const all = vips.flatMap(({ name, loadBalancer }) => loadBalancer.backends.map((backend) => ({ name, backend })));
  const columns = backendColumns(all.map(({ backend }) => backend));
  const rows = all.map(({ name, backend }) => [name, ...columns.map(({ cell }) => cell(backend, now))]);
  return rows.length === 0
    ? 'no backends\n'
    : `${table([['VIP', ...columns.map(({ head }) => head)], ...rows])
        .map(clean)
        .join('\n')}\n`;
}

/** Others write into Leases and Nodes: their text must not steer the terminal. */
export function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

function vipText(vip: VipStatus, node: string, now: Date): string {
  const { loadBalancer: balancer } = vip;
  const leader = vip.leader === undefined ? 'unknown' : vip.leader === node ? `${vip.leader} (this node)` : vip.leader;
  const ports = balancer.mode === 'off' ? '' : ` on ${balancer.ports.join(', ')}`;
  const facts = [
    ['role', vip.role],
    ['leader', leader],
    ['since', `${ago(vip.since, now)} (${vip.since})`],
    ['because', vip.because],
    ...(vip.vrrp === undefined ? [] : [['vrrp', vrrpText(vip.vrrp)]]),
    ...(vip.alarm === undefined ? [] : [['alarm', vip.alarm]]),
    ['held', vip.held ? 'yes' : 'no'],
    ['balancer', `${balancer.mode}${ports} (${balancer.because})`],
    ...(balancer.trouble === undefined ? [] : [['trouble', balancer.trouble]]),
  ];
  const names = vip.names === undefined ? [] : [`(${vip.names.join(' ')})`];
  const title = `${vip.name}  ${[...vip.addresses, ...names].join(' ')} on ${vip.interface}`;
  const text = [title, ...table(facts).map((line) => `  ${line}`)];
  if (balancer.backends.length > 0) {
    const columns = backendColumns(balancer.backends);
    const rows = balancer.backends.map((backend) => columns.map(({ cell }) => cell(backend, now)));
    text.push('', ...table([columns.map(({ head }) => head), ...rows]).map((line) => `  ${line}`));
  } else if (balancer.mode !== 'off') {
    text.push('  no backends');
  }
  return `${text.map(clean).join('\n')}\n`;
}

/** `MASTER, priority 99 (101; script check: -2)`. */
function vrrpText({ state, priority, configuredPriority, because, master }: VrrpStatus): string {
  const why = because.length === 0 ? '' : ` (${[configuredPriority, ...because].join('; ')})`;
  const other = master === undefined || state === 'MASTER' ? '' : `, master ${master.address} has ${master.priority}`;
  return `${state}, priority ${priority}${why}${other}`;
}

interface Column {
  readonly head: string;
  cell(backend: BackendStatus, now: Date): string;
}

/** That of the weights only where there is one to be seen. */
function backendColumns(backends: readonly BackendStatus[]): readonly Column[] {
  const weight: Column = { head: 'weight', cell: (backend) => String(backend.weight ?? 1) };
  return [
    { head: 'backend', cell: ({ name }) => name },
    { head: 'address', cell: ({ address }) => address },
    ...(backends.some((backend) => backend.weight !== undefined) ? [weight] : []),
    { head: 'state', cell: ({ state }) => state },
    { head: 'connections', cell: ({ connections }) => String(connections) },
    {
      head: 'last check',
      cell: ({ lastCheck }, now) =>
        lastCheck === undefined ? 'not yet' : `${lastCheck.result}, ${ago(lastCheck.at, now)}`,
    },
  ];
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `12s ago`, `3m 12s ago`, `2h 5m ago`, `3d 4h ago`. */
function ago(time: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return 'at an unknown time';
  if (seconds < 1) return 'just now';
  const units: readonly [string, number][] = [
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ];
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, size] of units) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0 || parts.length > 0) parts.push(`${whole}${unit}`);
  }
  return `${parts
    .slice(0, 2)
    .filter((part) => !part.startsWith('0'))
    .join(' ')} ago`;
}
