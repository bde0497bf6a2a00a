import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import type { VipStatus } from '../../src/vip/status.js';
import { startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';
import { serve } from './with-host.js';

// What the priority of a router follows, and whom it tells, with whole daemons and with keepalived.

const vip = '10.77.0.100';
const backend = '10.77.0.50';

interface Router {
  readonly host: Host;
  readonly file: string;
  write(vrrp: object, healthCheck?: object): Promise<void>;
  start(): Promise<Daemon>;
  status(): Promise<VipStatus>;
  holds(): Promise<boolean>;
  vipd(...args: readonly string[]): Promise<string>;
}

interface Place {
  readonly folder: string;
  readonly client: Host;
  addRouter(name: string, number: number): Promise<Router>;
  addHost(name: string, number: number): Promise<Host>;
}

const checks = { interval: '300ms', fastInterval: '100ms', timeout: '200ms', fall: 2, rise: 1 };

async function withRouters(use: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('track', process.pid);
  const addHost = (name: string, number: number) => network.addHost(name, `10.77.0.${number}/24`);
  try {
    const client = await addHost('client', 50);
    await serve(client, backend, 9000, 'backend');
    await use({
      folder,
      client,
      addHost,
      async addRouter(name, number) {
        const host = await addHost(name, number);
        const file = join(folder, `${name}.yaml`);
        const socket = join(folder, `${name}.sock`);
        return {
          host,
          file,
          write: (vrrp, healthCheck = checks) =>
            writeFile(
              file,
              JSON.stringify({
                node: { name },
                vips: [
                  {
                    name: 'web',
                    addresses: [vip],
                    election: { type: 'vrrp', vrrp: { advertInterval: '100ms', ...vrrp } },
                    loadBalancer: {
                      mode: 'proxy',
                      ports: [8080],
                      backends: { from: 'static', servers: [{ name: 'b', address: `${backend}:9000` }] },
                      healthCheck,
                    },
                  },
                ],
                metrics: { listen: 'off' },
                admin: { socket },
                log: { format: 'text' },
              }),
            ),
          start: () =>
            startDaemon(host, program.node, [program.script, 'start', '--config', file], join(folder, `${name}.log`)),
          status: () =>
            until(
              async () => {
                const answer = await askStatus(socket);
                return answer.ok ? answer.status.vips[0] : undefined;
              },
              { what: `an answer of ${name}` },
            ),
          holds: async () => (await host.addresses()).some(({ ip }) => ip === vip),
          vipd: (...args) => host.run(program.node, [program.script, ...args, '--config', file]),
        };
      },
    });
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

const held = (router: Router) => until(router.holds, { what: `${router.host.name} to have the VIP` });
const priorityOf = async (router: Router) => (await router.status()).vrrp?.priority;

async function shut(router: Router, how: 'add' | 'del'): Promise<void> {
  await router.host.run('ip', ['route', how, 'unreachable', `${backend}/32`]);
}

describe('tracking', { concurrency: 3 }, () => {
  it('the VIP goes to who reaches a backend; when nobody does it stays; it comes back when that is over', () =>
    withRouters(async ({ addRouter }) => {
      const [first, second] = [await addRouter('lb1', 11), await addRouter('lb2', 12)];
      await first.write({ priority: 101 });
      await second.write({ priority: 100 });
      await Promise.all([first.start(), second.start()]);
      await held(first);
      await until(async () => (await priorityOf(second)) === 100, { what: 'lb2 to reach the backend' });

      await shut(first, 'add');
      await held(second);
      const { vrrp, role } = await first.status();
      assert.deepEqual(
        { role, state: vrrp?.state, priority: vrrp?.priority, because: vrrp?.because, master: vrrp?.master },
        {
          role: 'follower',
          state: 'BACKUP',
          priority: 41,
          because: ['no backend up: -60'],
          master: { address: '10.77.0.12', priority: 100 },
        },
      );
      assert.match(
        await first.vipd('status'),
        /vrrp +BACKUP, priority 41 \(101; no backend up: -60\), master 10\.77\.0\.12 has 100/,
      );

      // Nobody reaches it: the one that is higher all the same does not take the VIP, and the VIP is not lost.
      await shut(second, 'add');
      await until(async () => (await priorityOf(second)) === 40, { what: 'lb2 to find out' });
      for (let i = 0; i < 10; i++) {
        assert.deepEqual([await first.holds(), await second.holds()], [false, true]);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }

      await shut(first, 'del');
      await held(first);
      await shut(second, 'del');
      await until(async () => (await priorityOf(second)) === 100, { what: 'lb2 to reach the backend' });
      assert.deepEqual([await first.holds(), await second.holds()], [true, false]);
    }));

  it('a script and an interface, beside keepalived with the same weights; both tell their programs the same', () =>
    withRouters(async ({ addRouter, addHost, folder }) => {
      const ours = await addRouter('lb1', 11);
      const theirs = await addHost('lb2', 12);
      const script = async (name: string, text: string) => {
        const file = join(folder, name);
        await writeFile(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
        return file;
      };
      const well = join(folder, 'well');
      await writeFile(well, '');
      const check = await script('check', `test -e ${well}`);
      const said = { ours: join(folder, 'ours.said'), theirs: join(folder, 'theirs.said') };
      const [tellOurs, tellTheirs] = await Promise.all([
        script('tell-ours', `echo "$@" >> ${said.ours}`),
        script('tell-theirs', `echo "$@" >> ${said.theirs}`),
      ]);
      const lines = async (file: string) => (await readFile(file, 'utf8').catch(() => '')).trim().split('\n');
      await ours.host.run('ip', ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth2']);
      for (const name of ['eth1', 'eth2']) await ours.host.run('ip', ['link', 'set', name, 'up']);
      await ours.write({
        priority: 101,
        trackWeight: 0,
        track: {
          scripts: [{ name: 'check', command: `${check} it`, interval: '200ms', fall: 2, weight: -2 }],
          interfaces: [{ name: 'eth1' }],
        },
        notify: { all: `${tellOurs} x`, master: [tellOurs, 'I am master'] },
      });
      const vipd = await ours.start();
      await held(ours);
      const keepalived = await startKeepalived(theirs, folder, 'keepalived', {
        version: 3,
        priority: 100,
        advertInterval: 0.1,
        vips: [vip as never],
        more: [`notify "${tellTheirs} x"`],
      });
      const state = async () => (await keepalived.states()).at(-1);
      await until(async () => (await state()) === 'BACKUP', { what: 'keepalived to be backup' });

      await rm(well);
      await until(async () => (await state()) === 'MASTER', { what: 'keepalived to take over' });
      assert.equal(await priorityOf(ours), 99);
      await writeFile(well, '');
      await until(async () => (await state()) === 'BACKUP', { what: 'keepalived to yield' });
      await held(ours);

      await ours.host.run('ip', ['link', 'set', 'eth1', 'down']);
      await until(async () => (await state()) === 'MASTER', { what: 'keepalived to take over' });
      const { role, because } = await ours.status();
      assert.deepEqual({ role, because }, { role: 'fault', because: 'tracked-interface-down' });
      await ours.host.run('ip', ['link', 'set', 'eth1', 'up']);
      await held(ours);
      vipd.signal('SIGTERM');
      await vipd.ended;
      await until(async () => (await state()) === 'MASTER', { what: 'keepalived to take over' });
      keepalived.daemon.signal('SIGTERM');
      await keepalived.daemon.ended;

      const words = (state: string, priority: number) => `x INSTANCE web ${state} ${priority}`;
      assert.deepEqual(await lines(said.ours), [
        words('BACKUP', 101),
        'I am master',
        words('MASTER', 101),
        words('BACKUP', 99),
        'I am master',
        words('MASTER', 101),
        words('FAULT', 101),
        words('BACKUP', 101),
        'I am master',
        words('MASTER', 101),
        words('STOP', 101),
      ]);
      const other = ['BACKUP', 'MASTER', 'BACKUP', 'MASTER', 'BACKUP', 'MASTER', 'STOP'];
      assert.deepEqual(
        await lines(said.theirs),
        other.map((state) => words(state, 100).replace('web', 'VI_4')),
      );
    }));

  it('another priority by reload: the VIP moves by the protocol, and no daemon is started anew', () =>
    withRouters(async ({ addRouter }) => {
      const [first, second] = [await addRouter('lb1', 11), await addRouter('lb2', 12)];
      await first.write({ priority: 101 });
      await second.write({ priority: 100 });
      const daemons = await Promise.all([first.start(), second.start()]);
      await held(first);
      await first.write({ priority: 90, notify: { backup: '/bin/true' } });
      assert.match(await first.vipd('reload'), /web: election\.vrrp\.priority: 101 → 90/);
      await held(second);
      assert.equal(await priorityOf(first), 90);
      await first.write({ priority: 90, virtualRouterId: 52 });
      await assert.rejects(first.vipd('reload'), /virtualRouterId: 51 → 52 cannot be applied in place; restart vipd/);
      for (const daemon of daemons) assert.ok(daemon.running());
    }));
});
