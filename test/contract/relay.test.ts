import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createRelay } from '../../src/kernel/linux/relay.js';
import type { Relay, RelayBackend, RelayBackendStats, RelayListener, Weighted } from '../../src/kernel/ports.js';
import { type Ip, parseIp } from '../../src/net/ip.js';
import { until } from '../netns/poll.js';
import {
  answering,
  ask,
  dial,
  ending,
  loopback,
  type Peer,
  refusingBackend,
  startPeer,
  timeout,
} from './relay-peers.js';
import { exchange } from './relay-stream.js';

type Share = RelayBackend & Weighted;

let relay: Relay;
let listener: RelayListener;
beforeEach(() => {
  relay = createRelay(loadAddon());
  listener = relay.listen({ ip: loopback, port: 0, freebind: false });
});
afterEach(() => relay[Symbol.dispose]());

function statsOf(name: string): RelayBackendStats {
  const found = listener.stats().backends.find((backend) => backend.name === name);
  assert.ok(found, `${name} is in the statistics`);
  return found;
}

/** A connection through the relay to a peer, both ends in hand. */
async function connected(): Promise<{ client: Socket; server: Socket } & Disposable> {
  const peer = await startPeer('a');
  listener.setBackends([peer.backend], timeout);
  const client = dial(listener.port);
  const server = await peer.next();
  // The backend's kernel takes the connection before the engine hears of it.
  await until(() => statsOf('a').open === 1, { within: 5000, what: 'the connection open for the engine too' });
  return {
    client,
    server,
    [Symbol.dispose]() {
      client.destroy();
      peer[Symbol.dispose]();
    },
  };
}

/** Resolves when nothing has gone to the client for a while: every buffer on the way is full. */
async function stalled(): Promise<void> {
  let bytes = 0n;
  let since = 0;
  await until(
    () => {
      const now = statsOf('a').bytesToClient;
      if (now !== bytes) [bytes, since] = [now, performance.now()];
      return bytes > 0n && performance.now() - since > 150;
    },
    { within: 10000, what: 'the state that the relay should reach' },
  );
}

describe('relay: data', () => {
  it('carries 32 MiB each way at once in writes of random sizes', async () => {
    using pair = await connected();
    const { sent, received } = await exchange(pair.client, pair.server, 32 * 1024 * 1024);
    assert.deepEqual(received, sent);
    const { bytesFromClient, bytesToClient, open, total, reset } = statsOf('a');
    assert.deepEqual([bytesFromClient, bytesToClient], [32n << 20n, 32n << 20n]);
    await until(() => statsOf('a').open === 0, { within: 5000, what: 'statsOf(’a’).open === 0' });
    assert.deepEqual({ open: open <= 1, total, reset }, { open: true, total: 1, reset: 0 });
  });

  it('passes on the client’s end, and the answer after it: 250 exchanges', async () => {
    using peer = await startPeer('a', (socket) => {
      let length = 0;
      socket.on('data', (chunk) => {
        length += chunk.length;
      });
      socket.on('end', () => socket.end(`got ${length}`));
    });
    listener.setBackends([peer.backend], timeout);
    const lengths = Array.from({ length: 250 }, (_, i) => i * 401);
    const answers = await Promise.all(lengths.map((length) => ask(listener.port, 'x'.repeat(length))));
    assert.deepEqual(
      answers,
      lengths.map((length) => `got ${length}`),
    );
  });

  it('passes on the backend’s end, and what the client says after it: 250 exchanges', async () => {
    const heard: Promise<string>[] = [];
    using peer = await startPeer('a', (socket) => {
      socket.end('your turn');
      heard.push(ending(socket).then(({ data, how }) => `${how} ${data}`));
    });
    listener.setBackends([peer.backend], timeout);
    await Promise.all(
      Array.from({ length: 250 }, async (_, i) => {
        const socket = dial(listener.port);
        assert.deepEqual(await ending(socket), { data: 'your turn', how: 'end' });
        socket.end(`client ${i}`);
      }),
    );
    await until(() => heard.length === 250, { within: 5000, what: 'heard.length === 250' });
    assert.deepEqual(
      (await Promise.all(heard)).sort(),
      Array.from({ length: 250 }, (_, i) => `end client ${i}`).sort(),
    );
    await until(() => statsOf('a').open === 0, { within: 5000, what: 'statsOf(’a’).open === 0' });
    assert.equal(statsOf('a').reset, 0);
  });

  it('passes back-pressure on: a reader who stops costs no memory, and gets everything when it goes on', async () => {
    using pair = await connected();
    const chunk = Buffer.alloc(1 << 20, 7);
    let written = 0;
    const write = () => {
      while (written < 256 << 20 && pair.server.write(chunk)) written += chunk.length;
      if (written >= 256 << 20) pair.server.end();
    };
    pair.client.pause();
    pair.server.on('drain', () => {
      written += chunk.length;
      write();
    });
    const before = process.memoryUsage.rss();
    write();
    await stalled();
    assert.ok(written < 128 << 20, `${written} bytes were taken from the writer`);
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 16 << 20, `memory grew by ${grown} bytes`);
    let received = 0;
    pair.client.on('data', (data) => {
      received += data.length;
    });
    pair.client.resume();
    await once(pair.client, 'end');
    assert.equal(received, written);
  });
});

describe('relay: resets', () => {
  it('passes the backend’s reset on to the client', async () => {
    using pair = await connected();
    pair.server.write('half an ans');
    await once(pair.client, 'data');
    const end = ending(pair.client);
    pair.server.resetAndDestroy();
    assert.equal((await end).how, 'ECONNRESET');
    await until(() => statsOf('a').open === 0, { within: 5000, what: 'statsOf(’a’).open === 0' });
    assert.equal(statsOf('a').reset, 1);
  });

  it('passes on what the backend said just before its reset', async () => {
    using peer = await startPeer('a', (socket) => {
      socket.once('data', () => socket.write('last words', () => socket.resetAndDestroy()));
    });
    listener.setBackends([peer.backend], timeout);
    for (let round = 0; round < 50; round++) {
      let heard = '';
      // Byte by byte: libuv takes a hang-up after a short read for an end.
      const callback = (_: number, bytes: Uint8Array) => {
        heard += String.fromCharCode(bytes[0] ?? 0);
        return true;
      };
      const client = connect({ port: listener.port, host: loopback, onread: { buffer: Buffer.alloc(1), callback } });
      client.write('speak');
      const { how } = await ending(client);
      assert.deepEqual({ heard, how }, { heard: 'last words', how: 'ECONNRESET' });
    }
  });

  it('passes the client’s reset on to the backend', async () => {
    using pair = await connected();
    const end = ending(pair.server);
    pair.client.resetAndDestroy();
    assert.equal((await end).how, 'ECONNRESET');
    await until(() => statsOf('a').open === 0, { within: 5000, what: 'statsOf(’a’).open === 0' });
    assert.equal(statsOf('a').reset, 1);
  });

  it('passes a reset on while data waits that nobody reads', async () => {
    using pair = await connected();
    pair.client.pause();
    const chunk = Buffer.alloc(1 << 20);
    const fill = () => {
      while (pair.server.write(chunk));
    };
    pair.server.on('drain', fill);
    fill();
    await stalled();
    pair.server.resetAndDestroy();
    await until(() => statsOf('a').open === 0, { within: 5000, what: 'statsOf(’a’).open === 0' });
    const failed = once(pair.client, 'error');
    pair.client.write('anyone there?');
    assert.match((await failed)[0].code, /ECONNRESET|EPIPE/);
  });

  it('passes a reset on after one side has ended', async () => {
    using pair = await connected();
    const serverEnd = ending(pair.server);
    pair.client.end('question');
    assert.deepEqual(await serverEnd, { data: 'question', how: 'end' });
    const end = ending(pair.client);
    pair.server.resetAndDestroy();
    assert.equal((await end).how, 'ECONNRESET');
  });

  it('resets both sides of the connections to one backend on request, or of all', async () => {
    using a = await startPeer('a');
    using b = await startPeer('b');
    listener.setBackends([a.backend, b.backend], timeout);
    const clients = Array.from({ length: 20 }, () => dial(listener.port));
    const ends = new Map(clients.map((client) => [client, ending(client)]));
    await until(() => a.sockets.length === 10 && b.sockets.length === 10, {
      within: 5000,
      what: 'a.sockets.length === 10 && b.sockets.length === 10',
    });
    const ended = Promise.all(a.sockets.map(ending));
    listener.reset({ ...a.backend, name: 'nobody' });
    listener.reset({ ...a.backend, port: b.backend.port });
    listener.reset(a.backend);
    assert.ok((await ended).every(({ how }) => how === 'ECONNRESET'));
    await until(() => clients.filter((client) => client.destroyed).length === 10, {
      within: 5000,
      what: 'clients.filter((client) => client.destroyed).length === 10',
    });
    assert.deepEqual([statsOf('a').open, statsOf('b').open], [0, 10]);
    listener.reset();
    assert.ok((await Promise.all(ends.values())).every(({ how }) => how === 'ECONNRESET'));
    assert.deepEqual([statsOf('b').open, statsOf('b').reset], [0, 10]);
  });
});

function weighing(peer: Peer, weight: number): Share {
  return { ...peer.backend, weight };
}

describe('relay: choice of backend', () => {
  it('is exactly round robin: 300 connections over 3 backends are 100 each', async () => {
    const peers = await Promise.all(['a', 'b', 'c'].map((name) => startPeer(name, answering(name))));
    const backends = peers.map((peer) => peer.backend);
    listener.setBackends(backends, timeout);
    await Promise.all(Array.from({ length: 300 }, () => ask(listener.port)));
    assert.deepEqual(
      backends.map(({ name }) => statsOf(name).total),
      [100, 100, 100],
    );
    for (const peer of peers) peer[Symbol.dispose]();
  });

  it('gives to those with the fewest connections, in turns when they have equally many', async () => {
    const peers = await Promise.all(['a', 'b', 'c'].map((name) => startPeer(name)));
    const [a, b, c] = peers.map((peer) => peer.backend) as [Share, Share, Share];
    const clients: Socket[] = [];
    const open = async (count: number) => {
      for (let i = 0; i < count; i++) clients.push(dial(listener.port));
      const before = peers.reduce((sum, { sockets }) => sum + sockets.length, 0);
      await until(() => peers.reduce((sum, { sockets }) => sum + sockets.length, 0) === before + count, {
        within: 5000,
        what: `${count} connections more`,
      });
    };
    const least = { ...timeout, scheduler: 'leastconn' } as const;
    listener.setBackends([a], least);
    await open(6);
    listener.setBackends([a, b], least);
    await open(6);
    listener.setBackends([a, b, c], least);
    await open(15);
    assert.deepEqual(
      [a, b, c].map(({ name }) => statsOf(name).total),
      [9, 9, 9],
    );
    for (const socket of peers[1]?.sockets ?? []) socket.resetAndDestroy();
    await until(() => statsOf('b').open === 0, { within: 5000, what: 'no open connections to b' });
    await open(6);
    assert.deepEqual(
      [a, b, c].map(({ name }) => statsOf(name).open),
      [9, 6, 9],
    );
    for (const client of clients) client.destroy();
    for (const peer of peers) peer[Symbol.dispose]();
  });

  it('gives by weight, exactly: of 400 connections 300 and 100 with 3 and 1, and as many with 30 and 10', async () => {
    using a = await startPeer('a', answering('a'));
    using b = await startPeer('b', answering('b'));
    for (const unit of [1, 10]) {
      listener.setBackends([weighing(a, 3 * unit), weighing(b, unit)], timeout);
      await Promise.all(Array.from({ length: 400 }, () => ask(listener.port)));
      assert.deepEqual([statsOf('a').total, statsOf('b').total], unit === 1 ? [300, 100] : [600, 200]);
    }
  });

  it('gives nobody his turns in a row where they can be apart; who refuses leaves them to all others', async () => {
    const peers = await Promise.all(['a', 'b', 'c'].map((name) => startPeer(name, answering(name))));
    const [a, b, c] = peers as [Peer, Peer, Peer];
    const inTurn = async (times: number) => {
      let names = '';
      for (let i = 0; i < times; i++) names += await ask(listener.port);
      return names;
    };
    listener.setBackends([weighing(a, 3), weighing(b, 1)], timeout);
    assert.equal(await inTurn(8), 'aabaaaba');
    listener.setBackends([weighing(a, 5), weighing(b, 1), weighing(c, 1)], timeout);
    assert.equal(await inTurn(14), 'aabacaaaabacaa');
    listener.setBackends([weighing(a, 2), weighing(b, 2), weighing(c, 2)], timeout);
    assert.equal(await inTurn(6), 'abcabc');
    listener.setBackends([weighing(a, 2), { ...(await refusingBackend('x')), weight: 4 }, weighing(c, 1)], timeout);
    const names = await inTurn(30);
    assert.deepEqual([names.replaceAll('c', '').length, names.replaceAll('a', '').length], [20, 10]);
    for (const peer of peers) peer[Symbol.dispose]();
  });

  it('gives to those with the fewest connections for their weight, by weight when they are equal', async () => {
    using a = await startPeer('a');
    using b = await startPeer('b');
    const clients: Socket[] = [];
    const open = async (count: number) => {
      const ready = () => a.sockets.length + b.sockets.length === clients.length;
      for (let i = 0; i < count; i++) {
        clients.push(dial(listener.port));
        await until(ready, { within: 5000, what: `connection ${clients.length}` });
      }
      return [a.sockets.length, b.sockets.length];
    };
    const least = { ...timeout, scheduler: 'leastconn' } as const;
    listener.setBackends([weighing(a, 3), weighing(b, 1)], least);
    assert.deepEqual(await open(1), [1, 0]);
    assert.deepEqual(await open(1), [1, 1]);
    assert.deepEqual(await open(2), [3, 1]);
    assert.deepEqual(await open(36), [30, 10]);
    // The weights change: nobody's connection ends, and who has too few for his catches up.
    listener.setBackends([weighing(a, 1), weighing(b, 2)], least);
    assert.deepEqual(await open(50), [30, 60]);
    assert.deepEqual([statsOf('a').open, statsOf('b').open], [30, 60]);
    for (const client of clients) client.destroy();
  });

  it('says by two letters why each connection ended', async () => {
    const endings = () => Object.fromEntries(Object.entries(listener.stats().endings).filter(([, count]) => count > 0));
    const become = (wanted: Readonly<Record<string, number>>) =>
      until(() => JSON.stringify(endings()) === JSON.stringify(wanted), { within: 5000, what: JSON.stringify(wanted) });
    using peer = await startPeer('a');
    listener.setBackends([peer.backend], timeout);
    const pair = async () => {
      const client = dial(listener.port);
      const server = await peer.next();
      await until(() => statsOf('a').open === 1, { within: 5000, what: 'the connection open for the engine too' });
      for (const socket of [client, server]) socket.on('error', () => {}).resume();
      return { client, server };
    };
    const done = await pair();
    done.client.end();
    done.server.end();
    await become({ '--': 1 });
    (await pair()).client.resetAndDestroy();
    await become({ '--': 1, CD: 1 });
    (await pair()).server.resetAndDestroy();
    await become({ '--': 1, CD: 1, SD: 1 });
    await pair();
    listener.reset(peer.backend);
    await become({ '--': 1, CD: 1, SD: 1, DD: 1 });
    await pair();
    listener.reset();
    await become({ '--': 1, CD: 1, SD: 1, DD: 1, KD: 1 });
    listener.setBackends([], timeout);
    await ending(dial(listener.port));
    await become({ '--': 1, CD: 1, SD: 1, SC: 1, DD: 1, KD: 1 });
  });

  it('goes on to the next at once when a backend refuses; its share goes to all others', async () => {
    using a = await startPeer('a', answering('a'));
    using c = await startPeer('c', answering('c'));
    listener.setBackends([a.backend, await refusingBackend('b'), c.backend], timeout);
    const began = performance.now();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(listener.port)));
    assert.ok(performance.now() - began < 500);
    const share = answers.filter((answer) => answer === 'a').length;
    assert.ok(share >= 40 && share <= 60, `${share} of 100`);
    assert.ok(statsOf('b').failed >= 1);
    assert.equal(listener.stats().refused, 0);
  });

  it('resets the client at once when every backend refuses, there is none, or none was set', async () => {
    const how = async () => (await ending(dial(listener.port))).how;
    const began = performance.now();
    assert.equal(await how(), 'ECONNRESET');
    listener.setBackends([], timeout);
    assert.equal(await how(), 'ECONNRESET');
    listener.setBackends([await refusingBackend('a'), await refusingBackend('b')], timeout);
    assert.equal(await how(), 'ECONNRESET');
    assert.ok(performance.now() - began < 400);
    assert.equal(listener.stats().refused, 3);
    assert.deepEqual([statsOf('a').failed, statsOf('b').failed], [1, 1]);
  });

  it('gives every client the table that was set before it came', async () => {
    using a = await startPeer('a', answering('a'));
    using b = await startPeer('b', answering('b'));
    for (let i = 0; i < 100; i++) {
      const { backend } = i % 2 === 0 ? a : b;
      listener.setBackends([backend], timeout);
      assert.equal(await ask(listener.port), backend.name);
    }
  });

  it('loses no connection while the table is replaced again and again', async () => {
    const peers = await Promise.all(['a', 'b', 'c'].map((name) => startPeer(name, answering(name))));
    const backends = peers.map((peer) => peer.backend);
    let left = 1500;
    let swaps = 0;
    const swap = () => {
      swaps++;
      listener.setBackends(
        backends.filter((_, i) => i !== swaps % 3),
        timeout,
      );
      if (left > 0) setImmediate(swap);
    };
    swap();
    const client = async () => {
      while (left-- > 0) assert.match(await ask(listener.port), /^[abc]$/);
    };
    await Promise.all(Array.from({ length: 16 }, client));
    listener.setBackends(backends, timeout);
    const stats = backends.map(({ name }) => statsOf(name));
    assert.equal(
      stats.reduce((sum, { total }) => sum + total, 0),
      1500,
    );
    assert.ok(stats.every(({ failed, reset }) => failed === 0 && reset === 0));
    assert.ok(swaps > 50, `${swaps} swaps`);
    for (const peer of peers) peer[Symbol.dispose]();
  });

  it('shows a backend that left the table for as long as it has connections', async () => {
    using pair = await connected();
    listener.setBackends([], timeout);
    listener.setBackends([{ name: 'b', ip: loopback, port: 1, weight: 1 }], timeout);
    assert.equal(statsOf('a').open, 1);
    pair.client.resetAndDestroy();
    await until(() => listener.stats().backends.length === 1, {
      within: 5000,
      what: 'listener.stats().backends.length === 1',
    });
    assert.equal(statsOf('b').open, 0);
  });

  it('keeps the counters of a backend that leaves and returns', async () => {
    using a = await startPeer('a', answering('a'));
    listener.setBackends([a.backend], timeout);
    await ask(listener.port);
    await until(() => statsOf('a').open === 0, { within: 5000, what: 'statsOf(’a’).open === 0' });
    listener.setBackends([], timeout);
    listener.setBackends([{ name: 'a', ip: loopback, port: a.backend.port + 1, weight: 1 }], timeout);
    assert.equal(statsOf('a').total, 0);
    listener.setBackends([a.backend], timeout);
    assert.equal(statsOf('a').total, 1);
  });
});

describe('relay: listening', () => {
  const ip = (text: string) => parseIp(text) as Ip;
  const refusal = (code: string) => (error: unknown) => error instanceof KernelError && error.code === code;

  it('listens on IPv6 alone, and reaches backends of the other family', async () => {
    using a = await startPeer('a', answering('a'));
    using v6 = relay.listen({ ip: ip('::'), port: 0, freebind: false });
    using v4 = relay.listen({ ip: ip('0.0.0.0'), port: v6.port, freebind: false });
    v6.setBackends([a.backend], timeout);
    v4.setBackends([], timeout);
    assert.equal(await ask(v6.port, 'hello', '::1'), 'a');
    await assert.rejects(ask(v4.port), { message: 'ECONNRESET' });
  });

  it('names what the kernel refuses', () => {
    assert.throws(() => relay.listen({ ip: loopback, port: listener.port, freebind: false }), refusal('EADDRINUSE'));
    assert.throws(() => relay.listen({ ip: ip('192.0.2.1'), port: 0, freebind: false }), refusal('EADDRNOTAVAIL'));
    assert.throws(() => relay.listen({ ip: ip('2001:db8::1'), port: 0, freebind: false }), refusal('EADDRNOTAVAIL'));
  });

  it('listens on an address that is not here yet with freebind', () => {
    using v4 = relay.listen({ ip: ip('192.0.2.1'), port: 0, freebind: true });
    using v6 = relay.listen({ ip: ip('2001:db8::1'), port: 0, freebind: true });
    assert.ok(v4.port > 0 && v6.port > 0);
  });

  it('refuses new clients once disposed, frees the port, and leaves open connections alone until they are reset', async () => {
    using pair = await connected();
    const { port } = listener;
    listener[Symbol.dispose]();
    listener[Symbol.dispose]();
    assert.equal((await ending(dial(port))).how, 'ECONNREFUSED');
    const again = relay.listen({ ip: loopback, port, freebind: false });
    assert.equal((await ending(dial(port))).how, 'ECONNRESET');
    again[Symbol.dispose]();
    pair.client.write('still here');
    assert.equal(String((await once(pair.server, 'data'))[0]), 'still here');
    const ends = [ending(pair.client), ending(pair.server)];
    listener.reset();
    assert.deepEqual(
      (await Promise.all(ends)).map(({ how }) => how),
      ['ECONNRESET', 'ECONNRESET'],
    );
  });

  it('resets everything when the relay is disposed, and takes no order after that', async () => {
    using pair = await connected();
    const ends = [ending(pair.client), ending(pair.server)];
    relay[Symbol.dispose]();
    relay[Symbol.dispose]();
    assert.deepEqual(
      (await Promise.all(ends)).map(({ how }) => how),
      ['ECONNRESET', 'ECONNRESET'],
    );
    listener.setBackends([], timeout);
    listener.reset();
    listener[Symbol.dispose]();
    assert.deepEqual(listener.stats().refused, 0);
    assert.throws(() => relay.listen({ ip: loopback, port: 0, freebind: false }), refusal('EBADF'));
  });
});
