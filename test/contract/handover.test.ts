import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createChannels } from '../../src/kernel/linux/channels.js';
import { createRelay } from '../../src/kernel/linux/relay.js';
import type { ChannelEvents, Descriptor, Relay, RelayListener } from '../../src/kernel/ports.js';
import { type Ip, parseIp } from '../../src/net/ip.js';
import { until } from '../netns/poll.js';
import { runStranger } from './channel-strangers.js';
import { handOver } from './handovers.js';
import { answering, ask, dial, ending, loopback, startPeer, timeout } from './relay-peers.js';

const ip = (text: string) => parseIp(text) as Ip;
const refusal =
  (code: string, word = '') =>
  (error: unknown) =>
    error instanceof KernelError && error.code === code && error.message.includes(word);

let old: Relay;
let young: Relay;
beforeEach(() => {
  old = createRelay(loadAddon(), 2);
  young = createRelay(loadAddon(), 2);
});
afterEach(() => {
  old[Symbol.dispose]();
  young[Symbol.dispose]();
});

const listen = (relay: Relay) => relay.listen({ ip: loopback, port: 0, freebind: false });

function adopt(relay: Relay, from: RelayListener): RelayListener {
  using copy = from.descriptor();
  return relay.adopt(copy, { ip: loopback, port: from.port });
}

async function left(listener: RelayListener): Promise<void> {
  listener.leave();
  await until(() => !listener.stats().accepts, { every: 1, what: 'the socket left' });
}

/** What is not a listening socket, as it comes from another process: a file, a Unix socket, one of UDP, and one of TCP that does not listen. */
async function strangers(): Promise<readonly Descriptor[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-handover-'));
  const path = join(folder, 'socket');
  let descriptors: readonly Descriptor[] = [];
  const onMessage: ChannelEvents['onMessage'] = (message) => {
    descriptors = message.descriptors;
  };
  using _door = createChannels(loadAddon()).listen(path, { onMessage, onEnd: () => {} }, ({ code }) =>
    assert.fail(code),
  );
  await runStranger(
    path,
    `open(my $f, '<', '/dev/null') or die; socket(my $u, AF_INET, SOCK_DGRAM, 0) or die; socket(my $t, AF_INET, SOCK_STREAM, 0) or die;
     tell('these', $f, $s, $u, $t);`,
  );
  await until(() => descriptors.length === 4, { what: 'four descriptors' });
  await rm(folder, { recursive: true });
  return descriptors;
}

describe('hand-over: adopting', () => {
  it('listens with the same socket, of either family, and takes no client before its first table', async () => {
    using peer = await startPeer('a', answering('a'));
    for (const host of ['127.0.0.1', '::1']) {
      const listener = old.listen({ ip: ip(host), port: 0, freebind: false });
      using copy = listener.descriptor();
      const heir = young.adopt(copy, { ip: ip(host), port: listener.port });
      assert.equal(heir.port, listener.port);
      await left(listener);
      // It waits: neither is there anybody to take it, nor is it refused.
      const client = dial(heir.port, host);
      client.end('hello');
      await once(client, 'connect');
      const answer = ending(client);
      assert.deepEqual([heir.stats().connections, heir.stats().refused, heir.stats().accepts], [0, 0, true]);
      heir.setBackends([peer.backend], timeout);
      assert.deepEqual(await answer, { data: 'a', how: 'end' });
      heir[Symbol.dispose]();
    }
  });

  it('is told that a socket is none of TCP, does not listen, listens elsewhere, or is closed', async () => {
    const listener = listen(old);
    const there = { ip: loopback, port: listener.port };
    using copy = listener.descriptor();
    const other = listener.port === 1 ? 2 : listener.port - 1;
    assert.throws(
      () => young.adopt(copy, { ip: loopback, port: other }),
      refusal('EADDRNOTAVAIL', 'it listens elsewhere'),
    );
    assert.throws(
      () => young.adopt(copy, { ...there, ip: ip('127.0.0.2') }),
      refusal('EADDRNOTAVAIL', `127.0.0.2:${there.port}`),
    );
    assert.throws(() => young.adopt(copy, { ...there, ip: ip('::1') }), refusal('EADDRNOTAVAIL'));
    const [file, unix, udp, idle] = (await strangers()) as [Descriptor, Descriptor, Descriptor, Descriptor];
    assert.throws(() => young.adopt(file, there), refusal('ENOTSOCK', 'no socket'));
    assert.throws(() => young.adopt(unix, there), refusal('EPROTOTYPE', 'no TCP socket'));
    assert.throws(() => young.adopt(udp, there), refusal('EPROTOTYPE', 'no TCP socket'));
    assert.throws(() => young.adopt(idle, there), refusal('EINVAL', 'does not listen'));
    for (const one of [file, unix, udp, idle]) one[Symbol.dispose]();
    assert.throws(() => young.adopt(file, there), refusal('EBADF', 'closed'));
    // None of it has harmed the socket.
    using peer = await startPeer('a', answering('a'));
    adopt(young, listener).setBackends([peer.backend], timeout);
    await left(listener);
    assert.equal(await ask(listener.port), 'a');
  });

  it('shares the clients with the one before for as long as both listen', async () => {
    using a = await startPeer('a', answering('a'));
    using b = await startPeer('b', answering('b'));
    const listener = listen(old);
    listener.setBackends([a.backend], timeout);
    const heir = adopt(young, listener);
    heir.setBackends([b.backend], timeout);
    const answers = await Promise.all(Array.from({ length: 400 }, () => ask(listener.port)));
    assert.ok(answers.every((answer) => answer === 'a' || answer === 'b'));
  });

  it('goes on alone when it is disposed of, or refused, before it served', async () => {
    using peer = await startPeer('a', answering('a'));
    const listener = listen(old);
    listener.setBackends([peer.backend], timeout);
    adopt(young, listener).leave();
    assert.equal(await ask(listener.port), 'a');
    adopt(young, listener);
    young[Symbol.dispose]();
    assert.equal(await ask(listener.port), 'a');
    assert.throws(() => adopt(young, listener), refusal('EBADF'));
    assert.equal(await ask(listener.port), 'a');
  });
});

describe('hand-over: leaving', () => {
  it('keeps what is open and what is being connected, counts it, and resets it alone', async () => {
    using peer = await startPeer('a');
    const listener = listen(old);
    listener.setBackends([peer.backend], timeout);
    const client = dial(listener.port);
    const server = await peer.next();
    await until(() => listener.stats().connections === 1, { what: 'the connection' });
    const heir = adopt(young, listener);
    heir.setBackends([peer.backend], timeout);
    await left(listener);
    listener.leave();
    listener[Symbol.dispose]();
    assert.throws(() => listener.descriptor(), refusal('EBADF'));
    const other = dial(listener.port);
    await peer.next();
    await until(() => heir.stats().connections === 1, { what: 'the heir’s connection' });
    assert.equal(listener.stats().connections, 1);
    client.write('still here');
    assert.equal(String((await once(server, 'data'))[0]), 'still here');
    const ends = ending(client);
    listener.reset();
    assert.equal((await ends).how, 'ECONNRESET');
    await until(() => listener.stats().connections === 0, { what: 'no connection' });
    assert.equal(heir.stats().connections, 1);
    other.destroy();
  });

  it('refuses from then on when nobody adopted the socket, and frees the port', async () => {
    const listener = listen(old);
    await left(listener);
    assert.equal((await ending(dial(listener.port))).how, 'ECONNREFUSED');
    old.listen({ ip: loopback, port: listener.port, freebind: false })[Symbol.dispose]();
  });

  it('forgets no client that comes just then: of 500, each alone, all are answered at once', async () => {
    using peer = await startPeer('a', answering('a'));
    let listener = listen(old);
    listener.setBackends([peer.backend], timeout);
    const slow: number[] = [];
    for (let round = 0; round < 500; round++) {
      const heir = adopt(round % 2 === 0 ? young : old, listener);
      heir.setBackends([peer.backend], timeout);
      const began = performance.now();
      const answer = ask(listener.port);
      if (round % 4 < 2) await new Promise(setImmediate);
      listener.leave();
      assert.equal(
        await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 2000, 'nothing').unref())]),
        'a',
      );
      if (performance.now() - began > 500) slow.push(round);
      await until(() => !listener.stats().accepts, { every: 1, what: 'the socket left' });
      listener = heir;
    }
    assert.deepEqual(slow, []);
  });

  it('leaves a whole queue behind, and the heir takes it', async () => {
    using peer = await startPeer('a', answering('a'));
    // The old one never had a table of its own to serve with, being an heir that dies before it served.
    const first = listen(old);
    const middle = adopt(young, first);
    await left(first);
    const answers = Array.from({ length: 200 }, () => ask(first.port));
    using copy = middle.descriptor();
    await left(middle);
    const last = old.adopt(copy, { ip: loopback, port: first.port });
    last.setBackends([peer.backend], timeout);
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(['a']));
  });
});

describe('hand-over: between processes', () => {
  it('serves on when the one before is killed after it gave the socket away', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vipd-handover-'));
    const path = join(folder, 'socket');
    using peer = await startPeer('a', answering('a'));
    const script = join(import.meta.dirname, 'handover-process.js');
    const args = [script, path, String(peer.backend.port), 'first'];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end('go\n');
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const port = Number(await until(() => /leads (\d+)/.exec(said)?.[1], { what: 'the first process' }));
    const given = await new Promise<Descriptor | undefined>((resolve) => {
      const channel = createChannels(loadAddon()).connect(path, {
        onMessage: ({ descriptors }) => resolve(descriptors[0]),
        onEnd: () => {},
      });
      channel.send(new TextEncoder().encode('take'));
    });
    assert.ok(given !== undefined);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    const listener = young.adopt(given, { ip: loopback, port });
    given[Symbol.dispose]();
    listener.setBackends([peer.backend], timeout);
    assert.equal(await ask(port), 'a');
    await rm(folder, { recursive: true });
  });

  it('hands a listener on 50 times under 500 connections a second: none refused, none reset, those open live on', async () => {
    const result = await handOver({ times: 50, perSecond: 500, held: 20 });
    assert.deepEqual(Object.keys(result.clients), ['answered'], JSON.stringify(result));
    assert.deepEqual(new Set(result.held), new Set(['answered']));
    assert.ok(result.heldByFirst >= 20, `${result.heldByFirst} in the first process`);
    assert.deepEqual([Object.keys(result.endings), result.exits], [['--'], { 0: 50 }]);
  });
});
