import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createRelay } from '../../src/kernel/linux/relay.js';
import type { Relay, RelayBackend, RelayListener, Weighted } from '../../src/kernel/ports.js';
import { type Ip, parseIp } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { random, type Seed } from '../../src/time/random.js';
import { answering, ask, dial, ending, loopback, startPeer, timeout } from '../contract/relay-peers.js';
import { exchange } from '../contract/relay-stream.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { until } from './poll.js';
import { startRelayProcess } from './relay-processes.js';

/** An address to which packets leave and from which none comes back: a neighbour that is not there. */
function blackhole(): RelayBackend & Weighted {
  run('ip', 'link', 'add', 'hole', 'type', 'veth', 'peer', 'name', 'void');
  run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'hole');
  for (const link of ['hole', 'void']) run('ip', 'link', 'set', link, 'up');
  run('ip', 'neigh', 'add', '192.0.2.7', 'lladdr', '02:00:00:00:00:07', 'dev', 'hole');
  return { name: 'hole', ip: parseIp('192.0.2.7') as Ip, port: 6443, weight: 1 };
}

inOwnNamespace(fileURLToPath(import.meta.url), () => {
  let relay: Relay;
  let listener: RelayListener;
  beforeEach(() => {
    relay = createRelay(loadAddon());
    listener = relay.listen({ ip: loopback, port: 0, freebind: false });
  });
  afterEach(() => relay[Symbol.dispose]());

  describe('relay: the long part', () => {
    it('carries 1 GiB each way at once in writes of random sizes', async () => {
      using peer = await startPeer('a');
      listener.setBackends([peer.backend], timeout);
      const client = dial(listener.port);
      const { sent, received } = await exchange(client, await peer.next(), 1 << 30);
      assert.deepEqual(received, sent);
      const [stats] = listener.stats().backends;
      assert.deepEqual([stats?.bytesFromClient, stats?.bytesToClient], [1n << 30n, 1n << 30n]);
    });

    it('lets a backend that does not answer cost the connect timeout once, not every client', async () => {
      using peer = await startPeer('a', answering('a'));
      const hole = blackhole();
      listener.setBackends([hole, peer.backend], { ...timeout, connectTimeout: millis(300) });
      const spent = async () => {
        const began = performance.now();
        assert.equal(await ask(listener.port), 'a');
        return performance.now() - began;
      };
      const first = await spent();
      assert.ok(first >= 295 && first < 450, `the first client waited ${first} ms`);
      for (let i = 0; i < 50; i++) {
        const later = await spent();
        assert.ok(later < 150, `client ${i} waited ${later} ms`);
      }
      const stats = listener.stats().backends.find(({ name }) => name === 'hole');
      assert.deepEqual([stats?.failed, stats?.total], [1, 0]);
    });

    it('takes a client from a backend that does not answer to the next when told to reset that backend', async () => {
      using peer = await startPeer('a', answering('a'));
      const hole = { name: 'hole', ip: parseIp('192.0.2.7') as Ip, port: 6443, weight: 1 };
      listener.setBackends([hole], { ...timeout, connectTimeout: millis(10_000) });
      const answers = [ask(listener.port), ask(listener.port)];
      const gone = dial(listener.port);
      await once(gone, 'connect');
      gone.resetAndDestroy();
      listener.setBackends([peer.backend], timeout);
      listener.reset(hole);
      assert.deepEqual(await Promise.all(answers), ['a', 'a']);
      assert.deepEqual(listener.stats().refused, 0);
    });

    it('keeps memory flat with a hundred readers who stopped', async () => {
      const chunk = Buffer.alloc(1 << 20);
      using peer = await startPeer('a', (socket) => {
        const fill = () => {
          while (socket.write(chunk));
        };
        socket.on('drain', fill);
        fill();
      });
      listener.setBackends([peer.backend], timeout);
      const before = process.memoryUsage.rss();
      const clients = Array.from({ length: 100 }, () => dial(listener.port).pause());
      await until(() => peer.sockets.length === 100, { within: 5000, what: 'peer.sockets.length === 100' });
      let bytes = 0n;
      let since = 0;
      await until(
        () => {
          const now = listener.stats().backends[0]?.bytesToClient ?? 0n;
          if (now !== bytes) [bytes, since] = [now, performance.now()];
          return bytes > 0n && performance.now() - since > 300;
        },
        { within: 20000, what: 'the state that the relay should reach' },
      );
      const grown = (process.memoryUsage.rss() - before) / (1 << 20);
      // 100 times 256 KiB in the engine, and what Node.js needs for 200 sockets.
      assert.ok(grown < 64, `memory grew by ${grown} MiB`);
      for (const client of clients) client.destroy();
    });
  });

  describe('relay: peers that vanish', () => {
    const chunk = Buffer.alloc(1 << 16);

    it('ends what a vanished peer does not acknowledge within 20 s, and keeps who is well but does not read', async () => {
      run('nft', 'add table inet vanish');
      run('nft', 'add chain inet vanish in { type filter hook input priority 0; }');
      using peer = await startPeer('a');
      listener.setBackends([peer.backend], timeout);
      const pair = async () => {
        const client = dial(listener.port);
        await until(() => peer.sockets.length > pairs.length, { what: 'the backend’s end' });
        return { client, server: peer.sockets.at(-1) as Socket };
      };
      const pairs: { client: Socket; server: Socket }[] = [];
      for (let i = 0; i < 5; i++) pairs.push(await pair());
      const [clientGone, serverGone, slow, idle, full] = pairs as [
        (typeof pairs)[0],
        (typeof pairs)[0],
        (typeof pairs)[0],
        (typeof pairs)[0],
        (typeof pairs)[0],
      ];
      // The relay's packets to these ports come to nothing from now on.
      const drop = (port: number | undefined) =>
        run('nft', `add rule inet vanish in tcp dport ${port} tcp sport ${listener.port} drop`);
      const fill = ({ client, server }: (typeof pairs)[0]) => {
        const more = () => {
          while (server.write(chunk));
        };
        client.pause();
        server.on('drain', more);
        more();
      };
      // Probes of a window that has just closed follow each other fast; that is no reason to give somebody less time.
      fill(full);
      const isProbed = async () => run('ss', '-tnoH', `dport = :${full.client.localPort}`).includes('timer:(persist');
      await until(isProbed, { within: 5000, what: 'a closed window' });
      drop(full.client.localPort);
      drop(clientGone.client.localPort);
      run(
        'nft',
        `add rule inet vanish in tcp dport ${peer.backend.port} tcp sport ${serverGone.server.remotePort} drop`,
      );
      const began = performance.now();
      const ends = [ending(clientGone.server), ending(serverGone.client), ending(full.server)].map(async (end) => ({
        ...(await end),
        after: performance.now() - began,
      }));
      clientGone.server.write('hello');
      serverGone.client.write('hello');
      fill(slow);
      for (const { how, after } of await Promise.all(ends)) {
        assert.equal(how, 'ECONNRESET');
        assert.ok(after > 14_000 && after < 22_000, `${after} ms`);
      }
      const { endings, backends } = listener.stats();
      assert.deepEqual([endings.cD, endings.sD, backends[0]?.open], [2, 1, 2]);
      for (const socket of [slow.client, slow.server, idle.client, idle.server]) assert.equal(socket.destroyed, false);
      for (const filter of [`dport = :${idle.client.localPort}`, `sport = :${idle.server.remotePort}`])
        assert.match(run('ss', '-tnoH', filter), /timer:\(keepalive,/, 'an idle leg is kept alive by the kernel');
      let read = 0;
      slow.client.on('data', (data) => {
        read += data.length;
      });
      slow.client.resume();
      await until(() => read > 1 << 20, { what: 'the rest for who did not read' });
      for (const { client, server } of pairs) for (const socket of [client, server]) socket.destroy();
      run('nft', 'delete table inet vanish');
    });
  });

  describe('relay: out of descriptors', () => {
    it('lets clients wait in the backlog and loses none, without spinning', async () => {
      using peer = await startPeer('a', (socket) => {
        socket.once('data', (data) => socket.end(data));
      });
      const relayed = await startRelayProcess(peer.backend, 64);
      const holders = Array.from({ length: 60 }, () => dial(relayed.port));
      await until(() => peer.sockets.length >= 15, { within: 5000, what: 'peer.sockets.length >= 15' });
      let served = peer.sockets.length;
      await until(
        () => {
          const still = peer.sockets.length === served;
          served = peer.sockets.length;
          return still;
        },
        { within: 5000, what: 'the state that the relay should reach' },
      );
      assert.ok(served < 30, `${served} connections with 64 descriptors`);
      const questions = Array.from({ length: 200 }, (_, i) => ask(relayed.port, `question ${i}`));
      const answers = await Promise.all([
        ...holders.map((socket, i) => {
          const end = ending(socket);
          socket.end(`holder ${i}`);
          return end.then(({ data }) => data);
        }),
        ...questions,
      ]);
      assert.deepEqual(
        answers.slice(0, 60),
        Array.from(holders, (_, i) => `holder ${i}`),
      );
      assert.deepEqual(
        answers.slice(60),
        Array.from(questions, (_, i) => `question ${i}`),
      );
      const { refused, total, cpu, status } = await relayed.finish();
      assert.deepEqual({ refused, total, status }, { refused: 0, total: 260, status: 0 });
      assert.ok(cpu < 2, `${cpu} s of CPU`);
    });
  });

  describe('relay: the last descriptor', () => {
    for (const descriptors of [64, 65])
      it(`accepts no client without one for its backend: of ${descriptors} nobody is dropped after the connect timeout`, async () => {
        using peer = await startPeer('a', (socket) => {
          socket.once('data', (data) => socket.end(data));
        });
        const connectTimeout = 100;
        const relayed = await startRelayProcess(peer.backend, descriptors, connectTimeout);
        const clients = Array.from({ length: 60 }, () => dial(relayed.port));
        const ends = clients.map(ending);
        await Promise.all(clients.map((socket) => once(socket, 'connect')));
        await until(() => peer.sockets.length >= 15, { within: 5000, what: 'peer.sockets.length >= 15' });
        // Whoever lacks a descriptor would be dropped once the timeout is over.
        await sleep(5 * connectTimeout);
        for (const [i, socket] of clients.entries()) socket.end(`client ${i}`);
        const answers = (await Promise.all(ends)).map(({ data, how }) => `${data} ${how}`);
        assert.deepEqual(
          answers,
          Array.from(clients, (_, i) => `client ${i} end`),
        );
        const { refused, total, status } = await relayed.finish();
        assert.deepEqual({ refused, total, status }, { refused: 0, total: 60, status: 0 });
      });
  });

  describe('relay: end of the process', () => {
    it('resets what is open when the process exits without disposing, or is killed', async () => {
      using peer = await startPeer('a');
      const relayed = await startRelayProcess(peer.backend, 1024);
      const clients = Array.from({ length: 20 }, () => dial(relayed.port));
      const ends = clients.map(ending);
      await until(() => peer.sockets.length === 20, { within: 5000, what: 'peer.sockets.length === 20' });
      const servers = peer.sockets.map(ending);
      const { open, status } = await relayed.finish();
      assert.deepEqual({ open, status }, { open: 20, status: 0 });
      for (const { how } of await Promise.all([...ends, ...servers])) assert.equal(how, 'ECONNRESET');

      const killed = await startRelayProcess(peer.backend, 1024);
      const client = dial(killed.port);
      await until(() => peer.sockets.length === 21, { within: 5000, what: 'peer.sockets.length === 21' });
      killed.child.kill('SIGKILL');
      assert.equal((await ending(client)).how, 'ECONNRESET');
    });
  });

  describe('relay: chaos', () => {
    it('survives ends, resets, swaps and refusals in any order, and leaves nothing open', async () => {
      let seed = 20 as Seed;
      const draw = (below: number) => {
        const drawn = random(seed);
        seed = drawn.seed;
        return Math.floor(drawn.value * below);
      };
      const payload = Buffer.alloc(600_000, 1);
      const act = (socket: Socket) => {
        socket.on('data', () => draw(20) === 0 && socket.resetAndDestroy());
        socket.on('end', () => socket.end());
        const step = () => {
          if (socket.destroyed) return;
          const choice = draw(6);
          if (choice === 0) socket.resetAndDestroy();
          else if (choice === 1) socket.destroy();
          else if (choice === 2) socket.end(payload.subarray(0, draw(payload.length)));
          else if (choice === 3) socket.write(payload.subarray(0, draw(payload.length)));
          else if (socket.isPaused()) socket.resume();
          else if (choice === 4) socket.pause();
          if (choice > 2) setTimeout(step, draw(4));
        };
        setTimeout(step, draw(4));
      };
      const peers = await Promise.all(['a', 'b', 'c'].map((name) => startPeer(name, act)));
      const refusing = { name: 'd', ip: loopback, port: 1, weight: 1 };
      const backends = [...peers.map(({ backend }) => backend), refusing];
      const clients: Socket[] = [];
      let closed = 0;
      for (let i = 0; i < 4000; i++) {
        if (i % 10 === 0)
          listener.setBackends(
            backends.filter(() => draw(3) > 0).map((backend) => ({ ...backend, weight: 1 + draw(4) })),
            timeout,
          );
        if (i % 25 === 0) listener.reset([...backends, undefined][draw(5)]);
        const client = dial(listener.port);
        clients.push(client);
        client.on('close', () => closed++);
        act(client);
        if (i % 20 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      listener.setBackends(backends, timeout);
      await until(() => closed > 2000, { within: 30000, what: 'closed > 2000' });
      for (const peer of peers) peer[Symbol.dispose]();
      listener.reset();
      await until(() => listener.stats().backends.every(({ open }) => open === 0), {
        within: 5000,
        what: 'no open connections',
      });
      // One that stopped reading with its buffer full has not looked for the reset yet.
      for (const client of clients) client.resume();
      await until(() => closed === 4000, { within: 5000, what: 'every client closed' });
      const { backends: counted } = listener.stats();
      assert.ok(counted.reduce((sum, { total }) => sum + total, 0) > 1000);
    });
  });
});
