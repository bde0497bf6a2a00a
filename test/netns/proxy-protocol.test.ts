import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { createAuthority } from '../../src/lab/certificates.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork } from '../../src/lab/network.js';
import { until } from './poll.js';
import { program } from './program.js';

/** HAProxy takes nobody without the header, and answers with whom the header names. */
function backend(bind: string): string {
  return `
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind ${bind} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"
`;
}

for (const check of ['tcp', 'https'] as const) {
  test(`HAProxy behind the proxy is told who the client is, over IPv4 and IPv6; checks by ${check} introduce themselves`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
    const network = await createNetwork(`pp-${check}`, process.pid);
    try {
      const lb = await network.addHost('lb', '10.77.0.11/24', 'fd77::11/64');
      const server = await network.addHost('server', '10.77.0.21/24', 'fd77::21/64');
      const client = await network.addHost('client', '10.77.0.50/24', 'fd77::50/64');
      const authority = await createAuthority('test', new Date());
      const { certPem, keyPem } = await authority.issue({ commonName: 'server', ips: ['10.77.0.21'] });
      await writeFile(join(folder, 'server.pem'), certPem + keyPem);
      await writeFile(join(folder, 'ca.pem'), authority.caPem);
      const tls = check === 'https' ? ` ssl crt ${join(folder, 'server.pem')}` : '';
      await writeFile(join(folder, 'haproxy.cfg'), backend(`10.77.0.21:8443${tls}`));
      await startDaemon(server, 'haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], join(folder, 'haproxy.log'));
      const healthCheck = check === 'tcp' ? { type: 'tcp' } : { type: 'https', path: '/', ca: join(folder, 'ca.pem') };
      const vip = {
        ...{ name: 'web', addresses: ['10.77.0.100', 'fd77::100'], election: { type: 'none' } },
        loadBalancer: {
          ...{ mode: 'proxy', ports: [443], proxyProtocol: 'v2', healthCheck },
          backends: { from: 'static', servers: [{ name: 'server', address: '10.77.0.21:8443' }] },
        },
      };
      const socket = join(folder, 'vipd.sock');
      const rest = { metrics: { listen: 'off' }, admin: { socket } };
      await writeFile(join(folder, 'vipd.yaml'), JSON.stringify({ node: { name: 'lb' }, vips: [vip], ...rest }));
      const start = [program.script, 'start', '--config', join(folder, 'vipd.yaml')];
      await startDaemon(lb, program.node, start, join(folder, 'vipd.log'));
      const state = async () => {
        const answer = await askStatus(socket);
        const [status] = answer.ok ? answer.status.vips : [];
        const [backend] = status?.loadBalancer.backends ?? [];
        return status?.held === true && backend?.lastCheck?.result === 'ok' ? backend.state : undefined;
      };
      assert.equal(await until(state, { what: 'a check that has passed' }), 'up');
      for (const [address, from] of [
        ['10.77.0.100', '10.77.0.50'],
        ['fd77::100', 'fd77::50'],
      ] as const) {
        const host = address.includes(':') ? `[${address}]` : address;
        const url = `${check === 'https' ? 'https' : 'http'}://${host}:443/`;
        const said = await client.run('curl', ['-gsk', '--max-time', '5', '-w', ' %{local_port}', url]);
        const [source, port, destination, asked, localPort] = said.split(' ');
        assert.deepEqual([source, destination, asked, port], [from, address, '443', localPort]);
      }
    } finally {
      await network[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    }
  });
}
