import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { askDraining, askReload, askUpgrade } from '../../src/admin/client.js';
import type { Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { type BesidePlace, besideKeepalived } from './beside-keepalived.js';
import { heldAddresses } from './held-addresses.js';
import { until } from './poll.js';
import { beginClients, echo, sends } from './upgrades.js';
import { withCluster } from './with-cluster.js';
import { ask, type Place, vip, withHost } from './with-host.js';

const ip = vip as Ip;
const servers = [
  { name: 'a', address: '10.77.0.11:9000' },
  { name: 'b', address: '10.77.0.11:9001' },
];
const loadBalancer = { ports: [8080], backends: { from: 'static', servers } };

/** Asks for an upgrade; the process id that goes on. */
async function upgrade(socket: string): Promise<number> {
  const reply = await askUpgrade(socket);
  assert.ok(reply.ok && reply.answer.ok, JSON.stringify(reply));
  return Number(/^process (\d+)/.exec(reply.answer.changes[0] ?? '')?.[1]);
}

/** Why it came to nothing. */
async function refusal(socket: string): Promise<string> {
  const reply = await askUpgrade(socket);
  assert.ok(reply.ok && !reply.answer.ok, JSON.stringify(reply));
  return reply.answer.problems.join('; ');
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A host with vipd and two backends that are up; its admin socket and its configuration. */
async function serving({ host, configure, start, status }: Place, keys: object = {}) {
  await Promise.all([echo(host, '10.77.0.11', 9000), echo(host, '10.77.0.11', 9001)]);
  const config = await configure({ loadBalancer, ...keys });
  const daemon = await start(config);
  const isUp = async () => (await status()).vips[0]?.loadBalancer.backends.every(({ state }) => state === 'up');
  await until(isUp, { what: 'the backends' });
  await until(async () => (await status()).vips[0]?.held, { what: 'the VIP' });
  return { config, daemon, socket: join(dirname(config), 'vipd.sock') };
}

for (const mode of ['proxy', 'nftables'] as const) {
  test(`${mode}: twenty upgrades under 300 clients a second: none refused, none reset, the address stays`, async (t) => {
    await withHost('upgrade', async (place) => {
      const { host, client, status } = place;
      const held = heldAddresses();
      await held.watch(host);
      const { socket, daemon } = await serving(place, { loadBalancer: { ...loadBalancer, mode } });
      const drained = await askDraining(socket, { backend: 'b', vip: undefined, draining: true });
      assert.ok(drained.ok && drained.answer.ok);
      const began = held.lastChange(host, ip, true);
      const clients = await beginClients(client, { ip: vip, port: 8080, perSecond: 300, held: 0 });
      const pids: number[] = [];
      for (let i = 0; i < 20; i++) pids.push(await upgrade(socket));
      assert.equal((await status()).vips[0]?.loadBalancer.backends[1]?.state, 'draining');
      const { clients: how, perSecond } = await clients.end();
      t.diagnostic(`${JSON.stringify(how)} at ${perSecond.toFixed(0)}/s`);
      assert.deepEqual(Object.keys(how), ['answered']);
      assert.equal(held.lastChange(host, ip, true), began);
      assert.equal((await daemon.ended).code, 0);
      const last = pids.pop() as number;
      await until(() => pids.every((pid) => !isRunning(pid)), { what: 'the end of all but the last' });
      process.kill(last, 'SIGTERM');
      await until(() => !isRunning(last), { what: 'the end of the last' });
      assert.equal(held.holds(host, ip), false);
    });
  });
}

test('what is open in each of nine processes lives on and is counted; a tenth waits until they have ended', async () => {
  await withHost('upgrade-chain', async (place) => {
    const { client, status } = place;
    const { socket } = await serving(place, { loadBalancer: { ...loadBalancer, scheduler: 'leastconn' } });
    const open = async () =>
      (await status()).vips[0]?.loadBalancer.backends.reduce((all, { connections }) => all + connections, 0);
    const groups = [];
    for (let i = 0; i < 8; i++) {
      groups.push(await beginClients(client, { ip: vip, port: 8080, perSecond: 0, held: 4 }));
      await upgrade(socket);
    }
    await until(async () => (await open()) === 32, { what: 'the connections of all processes' });
    assert.match(await refusal(socket), /8 processes of earlier upgrades serve open connections yet/);
    // In the middle of the row some have nothing open any more.
    for (const i of [3, 0, 5]) assert.deepEqual(new Set((await groups[i]?.end())?.held), new Set(['answered']));
    await until(async () => (await open()) === 20, { what: 'the connections of the others' });
    for (const i of [7, 1, 2, 4, 6]) assert.deepEqual(new Set((await groups[i]?.end())?.held), new Set(['answered']));
    const again = async () => {
      const reply = await askUpgrade(socket);
      return reply.ok && reply.answer.ok;
    };
    await until(again, { what: 'an upgrade when they have ended' });
  });
});

test('a port that is served no longer refuses; a backend that fails ends what is open to it in every process', async () => {
  await withHost('upgrade-ports', async (place) => {
    const { host, client, configure } = place;
    const far = '10.77.0.51';
    await client.run('ip', ['address', 'add', `${far}/32`, 'dev', 'eth0']);
    await echo(client, far, 9000);
    const backends = { from: 'static', servers: [{ name: 'far', address: `${far}:9000` }] };
    const two = { ...loadBalancer, ports: [8080, 8081], backends };
    const { socket } = await serving(place, { loadBalancer: two });
    const clients = await beginClients(client, { ip: vip, port: 8080, perSecond: 0, held: 5 });
    await configure({ loadBalancer: { ...two, ports: [8080] } });
    await upgrade(socket);
    assert.equal(await ask(client, 8081), 'ECONNREFUSED');
    await configure({ loadBalancer: two });
    const reloaded = await askReload(socket);
    assert.ok(reloaded.ok && reloaded.answer.ok, JSON.stringify(reloaded));
    const again = await beginClients(client, { ip: vip, port: 8081, perSecond: 0, held: 2 });
    // Nothing reaches it any more, and nothing comes from it: what is open would stay so.
    await host.run('ip', ['route', 'add', 'blackhole', `${far}/32`]);
    const ended = await Promise.all([clients.end(), again.end()]);
    assert.deepEqual(new Set(ended.flatMap(({ held }) => held)), new Set(['ECONNRESET']));
  });
});

test('what is open in the process before is reset when the new one gives the VIP up, or is killed', async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await withHost('upgrade-end', async (place) => {
      const { client } = place;
      const { socket, daemon } = await serving(place);
      const clients = await beginClients(client, { ip: vip, port: 8080, perSecond: 0, held: 10 });
      const pid = await upgrade(socket);
      process.kill(pid, signal);
      // Those who wait hear of it: none is left to find out by itself.
      assert.equal((await daemon.ended).code, 0);
      const { held } = await clients.end();
      assert.deepEqual(new Set(held), new Set(['ECONNRESET']), signal);
    });
  }
});

test('behind a redirect: whoever is killed, what is open in the processes before is reset', async () => {
  await withHost('upgrade-redirect', async (place) => {
    const { host, client } = place;
    // Another program has the port, so VIP:port is redirected to the relay's own.
    await echo(host, '0.0.0.0', 8080);
    const { socket, daemon } = await serving(place);
    const groups = [];
    let pid = 0;
    for (let i = 0; i < 3; i++) {
      groups.push(await beginClients(client, { ip: vip, port: 8080, perSecond: 0, held: 3 }));
      if (i < 2) pid = await upgrade(socket);
    }
    process.kill(pid, 'SIGKILL');
    assert.equal((await daemon.ended).code, 0);
    for (const group of groups) assert.deepEqual(new Set((await group.end()).held), new Set(['ECONNRESET']));
  });
});

test('a new process that cannot go on changes nothing: the old one leads on', async () => {
  await withHost('upgrade-no', async (place) => {
    const { client, host } = place;
    const held = heldAddresses();
    await held.watch(host);
    const { socket, daemon, config } = await serving(place);
    const began = held.lastChange(host, ip, true);
    const clients = await beginClients(client, { ip: vip, port: 8080, perSecond: 100, held: 10 });
    const good = await readFile(config, 'utf8');
    await appendFile(config, '\nnonsense');
    assert.match(await refusal(socket), /the new process has ended; its log says why/);
    await writeFile(config, good.replaceAll(vip, '10.77.0.101'));
    assert.match(await refusal(socket), /VIP web has other addresses.*restart vipd for that/s);
    await writeFile(config, good.replace(socket, `${socket}2`));
    assert.match(await refusal(socket), /the new process has ended; its log says why/);
    assert.match(await readFile(daemon.log, 'utf8'), /admin\.socket is not where the running vipd has it; restart/);
    await writeFile(config, good);
    // The new process is killed as soon as it shows.
    const asked = askUpgrade(socket);
    await until(
      async () => {
        const text = await host.run('pgrep', ['-f', `heir-to ${socket}`]).catch(() => '');
        const pids = text
          .split('\n')
          .map(Number)
          .filter((pid) => pid > 0);
        for (const pid of pids) process.kill(pid, 'SIGKILL');
        return pids.length > 0;
      },
      { what: 'the new process', every: 1 },
    );
    const reply = await asked;
    assert.ok(reply.ok && !reply.answer.ok, JSON.stringify(reply));
    const { clients: how, held: open } = await clients.end();
    assert.deepEqual(Object.keys(how), ['answered']);
    assert.deepEqual(new Set(open), new Set(['answered']));
    assert.equal(held.lastChange(host, ip, true), began);
    assert.ok(daemon.running());
    // And it can still hand over.
    const pid = await upgrade(socket);
    process.kill(pid, 'SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  });
});

test('a new process that could not lead what is led is refused: the old one leads on', async () => {
  await withHost('upgrade-unable', async (place) => {
    const { host, configure } = place;
    const held = heldAddresses();
    await held.watch(host);
    const by = (more: object) => ({ election: { type: 'vrrp', vrrp: { virtualRouterId: 51, ...more } } });
    const { socket, daemon } = await serving(place, by({}));
    const began = held.lastChange(host, ip, true);
    await configure({ loadBalancer, ...by({ track: { interfaces: [{ name: 'eth9' }] } }) });
    assert.match(await refusal(socket), /VIP web is led here, and the new process could not lead it: .*eth9/);
    await configure({ loadBalancer, ...by({ unicastSource: '10.77.0.99', unicastPeers: ['10.77.0.12'] }) });
    assert.match(await refusal(socket), /VIP web has other addresses.*10\.77\.0\.99.*restart vipd for that/s);
    assert.ok(daemon.running());
    assert.equal(held.lastChange(host, ip, true), began);
    assert.ok(held.holds(host, ip));
  });
});

test('out of descriptors no process is started, and the old one leads on', async () => {
  await withHost('upgrade-files', async (place) => {
    const { host } = place;
    const { socket, daemon } = await serving(place);
    const limit = (files: number | string) => host.run('prlimit', ['--pid', String(daemon.pid), `--nofile=${files}:`]);
    const asked = ['--pid', String(daemon.pid), '--nofile', '--noheadings', '--output', 'SOFT'];
    const before = (await host.run('prlimit', asked)).trim();
    const used = new Set((await readdir(`/proc/${daemon.pid}/fd`)).map(Number));
    // For who asks, for the path where the other would come, and one more: pipes are two.
    let free = 0;
    let files = 0;
    for (; free < 3; files++) if (!used.has(files)) free++;
    await limit(files);
    assert.match(await refusal(socket), /cannot be started \(EMFILE\)/);
    await limit(before);
    process.kill(await upgrade(socket), 'SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  });
});

for (const when of ['while the new process is started', 'in the middle of it'] as const) {
  test(`told to stop ${when}, both end and nothing stays`, async () => {
    await withHost('upgrade-stop', async (place) => {
      const { host, client } = place;
      const { socket, daemon } = await serving(place);
      const clients = await beginClients(client, { ip: vip, port: 8080, perSecond: 0, held: 5 });
      const asked = askUpgrade(socket);
      const heirs = () => host.run('pgrep', ['-f', `heir-to ${socket}`]).catch(() => '');
      if (when === 'in the middle of it')
        await until(async () => (await heirs()) !== '', { what: 'the new process', every: 1 });
      daemon.signal('SIGTERM');
      await asked;
      assert.equal((await daemon.ended).code, 0);
      assert.equal(await heirs(), '');
      assert.ok(!(await host.addresses()).some((address) => address.ip === vip));
      assert.deepEqual(new Set((await clients.end()).held), new Set(['ECONNRESET']));
    });
  });
}

for (const [version, interval] of [
  [3, 100],
  [2, 1000],
] as const) {
  test(`VRRP v${version}, ${interval} ms: keepalived stays backup through five upgrades of the master`, async (t) => {
    const variant = { version, interval, family: 4, isUnicast: false } as const;
    await besideKeepalived(variant, { vipd: 150, keepalived: 100 }, async (place) => {
      const { startVipd, startTheirs, socket, ours, held, status, seen, isBy } = place;
      await startVipd();
      await until(async () => (await status()).held, { what: 'the VIP' });
      const keepalived = await startTheirs();
      await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived as backup' });
      const before = (await keepalived.states()).length;
      const began = held.lastChange(ours, place.vip, true);
      const from = seen.length;
      const pids: number[] = [];
      for (let i = 0; i < 5; i++) pids.push(await upgrade(socket));
      const times = seen
        .slice(from)
        .filter((one) => isBy(ours, one))
        .map(({ at }) => at);
      const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
      t.diagnostic(`longest silence ${Math.max(...gaps).toFixed(1)} ms`);
      assert.equal((await keepalived.states()).length, before);
      assert.equal(held.lastChange(ours, place.vip, true), began);
      assert.ok(seen.slice(from).every((one) => isBy(ours, one)));
      process.kill(pids.at(-1) as number, 'SIGKILL');
    });
  });
}

test('VRRP: a new process that hangs once all is its own is ended, and the address is off before keepalived has it', async (t) => {
  const variant = { version: 3, interval: 100, family: 4, isUnicast: false } as const;
  const use = async (place: BesidePlace) => {
    const { startVipd, startTheirs, socket, ours, theirs, vip, held, status } = place;
    const daemon = await startVipd();
    await until(async () => (await status()).held, { what: 'the VIP' });
    const keepalived = await startTheirs();
    await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived as backup' });
    const since = Date.now();
    const yours = await sends(ours, daemon.pid, 'yours');
    const asked = askUpgrade(socket);
    const heirs = () => ours.run('pgrep', ['-f', `heir-to ${socket}`]).catch(() => '');
    const isAlone = async () => /^\d+\n$/.exec(await heirs())?.[0];
    const heir = Number(await until(isAlone, { what: 'the new process', every: 1 }));
    await yours.sent;
    process.kill(heir, 'SIGSTOP');
    const reply = await asked;
    assert.ok(reply.ok && !reply.answer.ok, JSON.stringify(reply));
    assert.match(reply.answer.problems.join(), /are given up: start vipd again/);
    assert.equal((await daemon.ended).code, 1);
    await until(() => !isRunning(heir), { what: 'the end of the new process' });
    await until(() => held.holds(theirs, vip), { what: 'keepalived to take over' });
    const off = held.lastChange(ours, vip, false) ?? Number.NaN;
    const on = held.lastChange(theirs, vip, true) ?? Number.NaN;
    t.diagnostic(`off after ${off - since} ms, on the other after ${on - since} ms`);
    assert.equal(held.longestOverlap(vip, 0), 0);
    assert.ok(!held.holds(ours, vip));
  };
  await besideKeepalived(variant, { vipd: 150, keepalived: 100 }, use, { deadManSwitch: '10s' });
});

test('a Lease keeps its holder through upgrades of leader and followers, and every request is answered', async (t) => {
  await withCluster('upgrade', async (cluster) => {
    const leader = await cluster.holder(10_000);
    await until(
      async () => (await leader.status())?.vips[0]?.loadBalancer.backends.every(({ state }) => state === 'up'),
      { what: 'the backends' },
    );
    const probe = cluster.client.probe({
      ip: cluster.vip,
      port: 6443,
      kind: 'request',
      every: millis(10),
      timeout: millis(5000),
    });
    await until(() => probe.results.length > 10, { what: 'answers' });
    const pids: number[] = [];
    for (let i = 0; i < 3; i++) pids.push(await upgrade(leader.adminSocket));
    for (const node of cluster.nodes) if (node !== leader) pids.push(await upgrade(node.adminSocket));
    const results = await probe.stop();
    const failed = results.filter(({ outcome }) => outcome !== 'ok');
    if (failed.length > 0) t.diagnostic(await readFile(leader.logs.vipd, 'utf8'));
    assert.deepEqual(failed, []);
    assert.deepEqual(cluster.holders(), [leader]);
    assert.equal((await leader.status())?.vips[0]?.because, 'handed-over');
    // The Lease has the name of the holder: another node's cannot go on with it.
    const config = join(dirname(leader.adminSocket), `${leader.name}.yaml`);
    const good = await readFile(config, 'utf8');
    await writeFile(config, good.replace(`"name": "${leader.name}"`, '"name": "another"'));
    assert.match(await refusal(leader.adminSocket), /VIP \S+ has .*node name.*another.*restart vipd for that/s);
    await writeFile(config, good);
    assert.deepEqual(cluster.holders(), [leader]);
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
});
