import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { createAuthority } from '../../src/lab/certificates.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import { captureFrames } from './frame-capture.js';
import { runKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';
import { spokenBy } from './spoken.js';
import { startStandIn } from './stand-in.js';

// As kubeadm's guide for highly available clusters has them, filled in.
const files = join(import.meta.dirname, '../../../test/unit/import/files');
const [keepalivedConf, haproxyCfg] = [join(files, 'keepalived.conf'), join(files, 'haproxy.cfg')];

it('kubeadm’s keepalived.conf and haproxy.cfg, imported: vipd says on the wire what keepalived says, which follows it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  // The first host twice, as it was and as it will be.
  const networks = await Promise.all([createNetwork('import', process.pid), createNetwork('import', process.pid)]);
  const [network, before] = networks;
  try {
    const [ours, theirs, original] = await Promise.all([
      network.addHost('lb1', '192.168.1.101/24'),
      network.addHost('lb2', '192.168.1.102/24'),
      before.addHost('lb1', '192.168.1.101/24'),
    ]);
    const vipd = (...words: string[]) => ours.run(program.node, [program.script, ...words]);
    const config = join(folder, 'vipd.yaml');
    await writeFile(config, await vipd('config', 'import', '--keepalived', keepalivedConf, '--haproxy', haproxyCfg));
    await vipd('config', 'check', '--config', config);

    // What the guide's script looks at, vipd's health check does: one API server answers, as one does for keepalived at first (`fall`).
    const authority = await createAuthority('kubernetes', new Date());
    const certificate = await authority.issue({ commonName: 'cp1', ips: [ours.ip] });
    await startStandIn(ours, folder, certificate, 200);

    const start = ['start', '--config', config, '--admin-socket', join(folder, 'vipd.sock'), '--metrics-listen', 'off'];
    const startVipd = (log: string) => startDaemon(ours, program.node, [program.script, ...start], join(folder, log));
    const [byVipd, byKeepalived] = await Promise.all([
      spokenBy(ours, join(folder, 'vipd.pcap'), () => startVipd('first.log')),
      spokenBy(original, join(folder, 'keepalived.pcap'), async () => {
        return (await runKeepalived(original, folder, 'lb1', keepalivedConf)).daemon;
      }),
    ]);
    // vipd also asks to be relieved before it goes.
    assert.deepEqual(
      byVipd.filter((text) => !text.includes(' prio 1,')),
      byKeepalived,
    );
    assert.match(
      byVipd[0] ?? '',
      /VRRPv2, .* vrid 51, prio 101, authtype simple, intvl 1s, .* addrs: 192.168.1.100 auth "42"/,
    );

    // The guide's second host has the same file but for these two words. One host after the other is moved over.
    const second = join(folder, 'second.conf');
    const text = await readFile(keepalivedConf, 'utf8');
    await writeFile(second, text.replace('state MASTER', 'state BACKUP').replace('priority 101', 'priority 100'));
    const backup = await runKeepalived(theirs, folder, 'lb2', second);
    await until(() => holds(theirs), { what: 'keepalived alone to have the VIP' });
    const master = await startVipd('second.log');
    await until(async () => (await backup.states()).at(-1) === 'BACKUP', { what: 'keepalived to follow vipd' });
    await until(async () => (await holds(ours)) && !(await holds(theirs)), { what: 'vipd alone to have the VIP' });
    // Longer than it would wait if it did not accept them.
    let advertisements = 0;
    await captureFrames(ours, `proto 112 and ether src ${ours.mac}`, () => advertisements++);
    await until(() => advertisements > 4, { what: 'five advertisements' });
    assert.equal((await backup.states()).at(-1), 'BACKUP');
    master.signal('SIGTERM');
    await master.ended;
    await until(() => holds(theirs), { what: 'keepalived to take over' });
    assert.deepEqual((await backup.states()).slice(-2), ['BACKUP', 'MASTER']);
  } finally {
    for (const each of networks) await each[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});

async function holds(host: Host): Promise<boolean> {
  return (await host.addresses()).some(({ ip }) => ip === '192.168.1.100');
}
