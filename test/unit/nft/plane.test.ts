import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Flow } from '../../../src/kernel/ports.js';
import { createShares } from '../../../src/kernel/shares.js';
import type { Family, Ip } from '../../../src/net/ip.js';
import { createNftPlane } from '../../../src/nft/plane.js';
import { millis } from '../../../src/time/instant.js';
import type { PlaneConfig } from '../../../src/vip/data-plane.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeFlows } from '../../fakes/flows.js';
import { createFakeNftBalancing } from '../../fakes/nft-balancing.js';

const vip = '192.0.2.100' as Ip;
const config: PlaneConfig = {
  ports: [6443],
  scheduler: 'roundrobin',
  weighted: false,
  proxyProtocol: 'off',
  connectTimeout: millis(1000),
};
const cp1 = { name: 'cp1', ip: '192.0.2.1' as Ip, port: 6443, weight: 1, draining: false };
const cp2 = { ...cp1, name: 'cp2', ip: '192.0.2.2' as Ip };

function createHost() {
  const clock = createFakeClock();
  const balancing = createFakeNftBalancing();
  const flows = createFakeFlows();
  const lines: string[] = [];
  const tell = (message: string) => void lines.push(message);
  let holds = 0;
  let flipped: string | undefined;
  const settings = {
    trouble: () => flipped,
    async hold(_family: Family): Promise<AsyncDisposable> {
      holds++;
      return {
        async [Symbol.asyncDispose]() {
          holds--;
        },
      };
    },
  };
  const plane = createNftPlane({
    ips: [vip],
    config,
    services: createShares(balancing.set)(),
    balancing,
    flows,
    settings,
    clock,
    log: { debug: tell, info: tell, warn: tell, error: tell },
  });
  let clientPort = 40_000;
  /** A connection to a backend through VIP:6443. */
  const flow = (backend: typeof cp1, phase: Flow['phase']): Flow => {
    const made: Flow = {
      client: { ip: '198.51.100.9' as Ip, port: clientPort },
      service: { ip: vip, port: 6443 },
      backend: { ip: backend.ip, port: backend.port },
      answersTo: { ip: cp1.ip, port: clientPort++ },
      phase,
      identity: new Uint8Array(),
    };
    flows.present.push(made);
    return made;
  };
  const settled = async () => {
    for (let i = 0; i < 20; i++) await setImmediate();
  };
  const names = () =>
    balancing.services?.map(({ port, backends }) => `${port}: ${backends.map((b) => b.name).join(' ')}`);
  /** The work under way, whose waits are over at once. */
  const through = async (work: Promise<void>) => {
    await settled();
    clock.advance(1000);
    await work;
  };
  const flip = (trouble: string) => {
    flipped = trouble;
  };
  return { clock, balancing, flows, lines, plane, flow, settled, names, through, flip, holds: () => holds };
}

test('nothing is in the kernel before the path opens, and nothing when it has closed', async () => {
  const host = createHost();
  host.plane.setBackends([cp1, cp2]);
  assert.deepEqual([host.names(), host.holds()], [undefined, 0]);
  await host.plane.open();
  assert.deepEqual([host.names(), host.holds()], [['6443: cp1 cp2'], 1]);
  await host.through(host.plane.reset());
  assert.deepEqual(host.names(), ['6443: ']);
  await host.through(host.plane.close());
  assert.deepEqual([host.names(), host.holds()], [undefined, 0]);
  await host.through(host.plane.close());
  assert.deepEqual(host.lines, []);
});

test('a backend that leaves loses its connections, one that drains only those that have not begun', async () => {
  const host = createHost();
  host.plane.setBackends([cp1, cp2]);
  await host.plane.open();
  const drained = host.flow(cp1, 'open');
  host.flow(cp1, 'opening');
  host.plane.setBackends([{ ...cp1, draining: true }, cp2]);
  await host.settled();
  assert.deepEqual([host.flows.present, host.flows.wereReset], [[drained], []]);
  const lost = host.flow(cp2, 'open');
  host.plane.setBackends([{ ...cp1, draining: true }]);
  await host.settled();
  assert.deepEqual([host.flows.present, host.flows.wereReset], [[drained], [lost]]);
  host.plane.setBackends([]);
  await host.settled();
  assert.deepEqual([host.names(), host.flows.wereReset], [['6443: '], [lost, drained]]);
});

test('a weight is changed in place: nobody loses a connection', async () => {
  const host = createHost();
  host.plane.setBackends([cp1, cp2]);
  await host.plane.open();
  const open = [host.flow(cp1, 'open'), host.flow(cp2, 'opening')];
  host.plane.setBackends([cp1, { ...cp2, weight: 3 }]);
  await host.settled();
  const weights = host.balancing.services?.map(({ backends }) => backends.map(({ weight }) => weight));
  assert.deepEqual([weights, host.flows.present, host.flows.wereReset], [[[1, 3]], open, []]);
});

test('a reset ends the connections of all ports, those too that are served no longer, and gives them time to hear of it', async () => {
  const host = createHost();
  host.plane.setBackends([cp1, cp2]);
  await host.plane.open();
  const open = [host.flow(cp1, 'open'), host.flow(cp2, 'open')];
  host.plane.change({ ...config, ports: [8443] });
  await host.settled();
  assert.deepEqual([host.names(), host.flows.wereReset], [['8443: cp1 cp2'], []]);
  let isOver = false;
  const reset = host.plane.reset().then(() => {
    isOver = true;
  });
  await host.settled();
  assert.deepEqual([isOver, host.flows.wereReset], [false, open]);
  host.clock.advance(50);
  await reset;
});

test('what the kernel refuses is tried again, said once and shown', async () => {
  const host = createHost();
  host.balancing.refusal = 'EBUSY';
  host.plane.setBackends([cp1]);
  await host.plane.open();
  assert.match(host.plane.trouble() ?? '', /EBUSY/);
  for (let i = 0; i < 3; i++) {
    host.clock.advance(1000);
    await host.settled();
  }
  host.balancing.refusal = undefined;
  host.clock.advance(1000);
  await host.settled();
  assert.deepEqual([host.names(), host.plane.trouble()], [['6443: cp1'], undefined]);
  assert.deepEqual(host.lines, ['nftables does not balance as it should', 'nftables balances again']);
});

test('a setting that cannot be held is a trouble while the path is open', async () => {
  const host = createHost();
  host.flip('set net/ipv4/ip_forward to 1: EROFS');
  assert.equal(host.plane.trouble(), undefined);
  await host.plane.open();
  assert.match(host.plane.trouble() ?? '', /EROFS/);
});

test('connections are counted when somebody looks', async () => {
  const host = createHost();
  host.plane.setBackends([cp1, cp2]);
  await host.plane.open();
  assert.deepEqual([host.balancing.connect(vip, 6443), host.balancing.connect(vip, 6443)].sort(), ['cp1', 'cp2']);
  host.flow(cp1, 'open');
  host.flow(cp1, 'over');
  await host.plane.look();
  assert.deepEqual(
    host.plane.stats().backends.map(({ name, open, total }) => [name, open, total]),
    [
      ['cp1', 1, 1],
      ['cp2', 0, 1],
    ],
  );
});
