import type { DaemonStatus, VipStatus } from '../vip/status.js';

/** The status for people with a browser: one page, no script, nothing loaded from elsewhere, every value escaped. */
export function statusPage(status: DaemonStatus): string {
  const title = `vipd on ${status.node}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>${escapeHtml(title)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color-scheme: light dark }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
.bad { font-weight: bold }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>version ${escapeHtml(status.version)} · <a href="/metrics">metrics</a> · <a href="/livez">livez</a> · <a href="/readyz">readyz</a></p>
${status.vips.map(vipSection).join('\n')}
</body>
</html>
`;
}

function vipSection(vip: VipStatus): string {
  const { loadBalancer: balancer } = vip;
  const facts: readonly (readonly [string, string])[] = [
    ['addresses', `${vip.addresses.join(' ')} on ${vip.interface}`],
    ...(vip.names === undefined ? [] : [['names', vip.names.join(' ')] as const]),
    ['role', vip.role],
    ['leader', vip.leader ?? 'unknown'],
    ['since', vip.since],
    ['because', vip.because],
    ['held', vip.held ? 'yes' : 'no'],
    ['balancer', `${balancer.mode}, ports ${balancer.ports.join(', ')}: ${balancer.because}`],
    ...(balancer.trouble === undefined ? [] : [['trouble', balancer.trouble] as const]),
  ];
  const rows = facts.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`);
  const isWeighted = balancer.backends.some(({ weight }) => weight !== undefined);
  const head = ['backend', 'address', ...(isWeighted ? ['weight'] : []), 'state', 'connections', 'last check'];
  const backends = balancer.backends.map(({ name, address, weight, state, connections, lastCheck }) => {
    const check = lastCheck === undefined ? 'not yet' : `${lastCheck.result}, ${lastCheck.at}`;
    const cells = [name, address, ...(isWeighted ? [String(weight)] : []), state, String(connections), check];
    const row = cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('');
    return `<tr${state === 'down' ? ' class="bad"' : ''}>${row}</tr>`;
  });
  return `<h2${vip.role === 'fault' ? ' class="bad"' : ''}>${escapeHtml(vip.name)}</h2>
<table>${rows.join('')}</table>
${backends.length === 0 ? '<p>no backends</p>' : `<table><tr><th>${head.join('</th><th>')}</th></tr>${backends.join('')}</table>`}`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
