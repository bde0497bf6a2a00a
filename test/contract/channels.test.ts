import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createChannels } from '../../src/kernel/linux/channels.js';
import { createRelay } from '../../src/kernel/linux/relay.js';
import type { Channel, ChannelEvents, Descriptor, KernelRefusal, Relay } from '../../src/kernel/ports.js';
import { until } from '../netns/poll.js';
import { runStranger } from './channel-strangers.js';
import { answering, ask, loopback, startPeer, timeout } from './relay-peers.js';

const channels = createChannels(loadAddon());
let folder: string;
let path: string;
let relay: Relay;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vipd-channels-'));
  path = join(folder, 'socket');
  relay = createRelay(loadAddon(), 1);
});
afterEach(() => {
  relay[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const bytes = (text: string) => new TextEncoder().encode(text);
const refusal = (code: string) => (error: unknown) => error instanceof KernelError && error.code === code;

/** One side, with what it heard. */
interface Heard extends ChannelEvents {
  readonly texts: string[];
  readonly descriptors: Descriptor[];
  readonly ends: string[];
  readonly peers: Set<Channel>;
}

function hears(): Heard {
  const heard: Heard = {
    texts: [],
    descriptors: [],
    ends: [],
    peers: new Set(),
    onMessage({ payload, descriptors }, channel) {
      heard.texts.push(String(Buffer.from(payload)));
      heard.descriptors.push(...descriptors);
      heard.peers.add(channel);
    },
    onEnd: ({ code }: KernelRefusal) => heard.ends.push(code),
  };
  return heard;
}

function unexpected(because: KernelRefusal): void {
  throw new Error(`${because.operation}: ${because.code}`);
}

/** A listening side and one connected to it, which has said hello. */
async function pair(): Promise<{ near: Heard; far: Heard; client: Channel; peer: Channel } & Disposable> {
  const [near, far] = [hears(), hears()];
  const door = channels.listen(path, near, unexpected);
  const client = channels.connect(path, far);
  client.send(bytes('hello'));
  const peer = await until(() => [...near.peers][0], { what: 'the client’s hello' });
  near.texts.length = 0;
  return {
    near,
    far,
    client,
    peer,
    [Symbol.dispose]() {
      client[Symbol.dispose]();
      peer[Symbol.dispose]();
      door[Symbol.dispose]();
    },
  };
}

/** This process's open files by what they are (`socket:[123]`). */
function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('channels: messages', () => {
  it('keeps messages whole and in order, both ways, up to 65536 bytes', async () => {
    using both = await pair();
    const texts = ['one', 'two', 'x'.repeat(65536), 'four'];
    for (const text of texts) both.client.send(bytes(text));
    for (const text of texts) both.peer.send(bytes(text));
    await until(() => both.near.texts.length === 4 && both.far.texts.length === 4, { what: 'four messages each way' });
    assert.deepEqual([both.near.texts, both.far.texts], [texts, texts]);
  });

  it('passes open files: a listening socket goes to another relay, which serves its clients', async () => {
    using both = await pair();
    using backend = await startPeer('a', answering('a'));
    using other = createRelay(loadAddon(), 1);
    using listener = relay.listen({ ip: loopback, port: 0, freebind: false });
    using copy = listener.descriptor();
    both.peer.send(bytes('listener'), [copy]);
    const descriptor = await until(() => both.far.descriptors[0], { what: 'the descriptor' });
    using heir = other.adopt(descriptor, { ip: loopback, port: listener.port });
    descriptor[Symbol.dispose]();
    heir.setBackends([backend.backend], timeout);
    listener.leave();
    await until(() => !listener.stats().accepts, { what: 'the old one gone' });
    assert.equal(await ask(heir.port), 'a');
  });

  it('takes 253 descriptors in one message, and no more', async () => {
    using both = await pair();
    using listener = relay.listen({ ip: loopback, port: 0, freebind: false });
    using copy = listener.descriptor();
    const before = openFiles();
    assert.throws(() => both.peer.send(bytes('many'), Array(254).fill(copy)), refusal('EMSGSIZE'));
    both.peer.send(bytes('many'), Array(253).fill(copy));
    await until(() => both.far.descriptors.length === 253, { what: '253 descriptors' });
    assert.equal(openFiles(), before + 253);
    for (const descriptor of both.far.descriptors) descriptor[Symbol.dispose]();
    assert.equal(openFiles(), before);
  });

  it('throws what cannot be sent, and EAGAIN when the peer does not read', async () => {
    using both = await pair();
    using listener = relay.listen({ ip: loopback, port: 0, freebind: false });
    const copy = listener.descriptor();
    copy[Symbol.dispose]();
    copy[Symbol.dispose]();
    assert.throws(() => both.client.send(bytes('x'), [copy]), refusal('EBADF'));
    assert.throws(() => both.client.send(bytes('')), refusal('EMSGSIZE'));
    assert.throws(() => both.client.send(bytes('x'.repeat(65537))), refusal('EMSGSIZE'));
    assert.throws(() => {
      for (;;) both.client.send(bytes('x'.repeat(1000)));
    }, refusal('EAGAIN'));
    both.client[Symbol.dispose]();
    assert.throws(() => both.client.send(bytes('x')), refusal('EBADF'));
  });

  it('says once that the peer has gone, after what it said last', async () => {
    using both = await pair();
    both.client.send(bytes('last words'));
    both.client[Symbol.dispose]();
    await until(() => both.near.ends.length > 0, { what: 'the end' });
    assert.deepEqual([both.near.texts, both.near.ends, both.far.ends], [['last words'], ['ECONNRESET'], []]);
    assert.throws(() => both.peer.send(bytes('x')), refusal('EBADF'));
  });
});

describe('channels: listening', () => {
  it('makes the socket with mode 0600, and removes it', () => {
    const before = openFiles();
    const door = channels.listen(path, hears(), unexpected);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    door[Symbol.dispose]();
    door[Symbol.dispose]();
    assert.equal(existsSync(path), false);
    assert.throws(() => channels.connect(path, hears()), refusal('ENOENT'));
    assert.equal(openFiles(), before);
  });

  it('replaces the socket of another, dead or alive, which leaves its own alone then', async () => {
    const [old, young] = [hears(), hears()];
    const before = channels.listen(path, old, unexpected);
    using _door = channels.listen(path, young, unexpected);
    before[Symbol.dispose]();
    using client = channels.connect(path, hears());
    client.send(bytes('who?'));
    await until(() => young.texts.length === 1, { what: 'the word at the new one' });
    assert.deepEqual(old.texts, []);
    for (const peer of young.peers) peer[Symbol.dispose]();
  });

  it('names what it cannot do: a file in the way, nobody there, a path too long', () => {
    writeFileSync(path, '');
    assert.throws(() => channels.listen(path, hears(), unexpected), refusal('EEXIST'));
    assert.throws(() => channels.connect(path, hears()), refusal('ECONNREFUSED'));
    assert.throws(() => channels.connect(join(folder, 'x'.repeat(120)), hears()), refusal('ENAMETOOLONG'));
    assert.throws(() => channels.listen(join(folder, 'no', 'folder'), hears(), unexpected), refusal('ENOENT'));
  });

  it('hangs up on more than eight peers at once', async () => {
    const near = hears();
    using _door = channels.listen(path, near, unexpected);
    const others = Array.from({ length: 8 }, () => channels.connect(path, hears()));
    for (const [i, one] of others.entries()) one.send(bytes(`${i}`));
    await until(() => near.texts.length === 8, { what: 'eight peers' });
    const ninth = hears();
    channels.connect(path, ninth);
    await until(() => ninth.ends.length === 1, { what: 'the ninth gone' });
    others[0]?.[Symbol.dispose]();
    await until(() => near.ends.length === 1, { what: 'one less' });
    using tenth = channels.connect(path, hears());
    tenth.send(bytes('tenth'));
    await until(() => near.texts.includes('tenth'), { what: 'the tenth' });
    for (const one of [...others, ...near.peers]) one[Symbol.dispose]();
  });
});

describe('channels: hostile peers', () => {
  it('ends a channel after a message too long, without its bytes or its files', async () => {
    const near = hears();
    using _door = channels.listen(path, near, unexpected);
    const before = openFiles();
    await runStranger(path, 'tell("x" x 70000, *STDIN, *STDOUT); recv($s, my $b, 1, 0);');
    await until(() => near.ends.length === 1, { what: 'the end' });
    assert.deepEqual([near.texts, near.ends], [[], ['EMSGSIZE']]);
    await until(() => openFiles() === before, { what: 'no file kept' });
  });

  it('takes an empty message for the end, with or without files', async () => {
    const near = hears();
    using _door = channels.listen(path, near, unexpected);
    const before = openFiles();
    await runStranger(path, 'tell("", *STDIN); recv($s, my $b, 1, 0);');
    await until(() => near.ends.length === 1, { what: 'the end' });
    await runStranger(path, 'tell(""); recv($s, my $b, 1, 0);');
    await until(() => near.ends.length === 2, { what: 'the other’s end' });
    assert.deepEqual([near.texts, near.ends], [[], ['ECONNRESET', 'ECONNRESET']]);
    await until(() => openFiles() === before, { what: 'no file kept' });
  });

  it('bears peers that come and go, say nothing, or die', async () => {
    const near = hears();
    using _door = channels.listen(path, near, unexpected);
    const before = openFiles();
    for (let i = 0; i < 20; i++) await runStranger(path, 'kill 9, $$;').catch(() => {});
    for (let i = 1; i <= 20; i++) {
      using client = channels.connect(path, hears());
      client.send(bytes('x'));
      await until(() => near.texts.length === i, { every: 1, what: 'its word' });
    }
    assert.throws(() => {
      for (;;) channels.connect(path, hears())[Symbol.dispose]();
    }, refusal('EAGAIN'));
    await runStranger(path, 'tell("x"); exit;');
    await until(() => near.texts.length === 21 && openFiles() === before, { what: 'all gone, and no file kept' });
  });

  it('keeps no file of a message when it may not have them all', async () => {
    // In a process of its own that may have few: it says how the channel ended, and how many files it has more than before.
    const script = `
      import { readdirSync } from 'node:fs';
      import { loadAddon } from '${import.meta.resolve('../../src/kernel/linux/addon.js')}';
      import { createChannels } from '${import.meta.resolve('../../src/kernel/linux/channels.js')}';
      const count = () => readdirSync('/proc/self/fd').length;
      const channel = createChannels(loadAddon()).connect(process.argv[1], {
        onMessage: () => console.log('message'),
        onEnd: ({ code }) => console.log(code, count() - before),
      });
      const before = count();
      channel.send(new Uint8Array(1));`;
    const near = hears();
    using _door = channels.listen(path, near, unexpected);
    const args = ['-c', 'ulimit -n 60; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script, path];
    const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const closed = once(child, 'close');
    const peer = await until(() => [...near.peers][0], { what: 'the process with few files' });
    using listener = relay.listen({ ip: loopback, port: 0, freebind: false });
    using copy = listener.descriptor();
    peer.send(bytes('many'), Array(100).fill(copy));
    await closed;
    assert.equal(said, 'EMFILE -1\n');
  });

  const isRoot = process.getuid?.() === 0;
  it('hangs up on another user, who gets through the file’s mode', {
    skip: isRoot ? false : 'needs root',
  }, async () => {
    const near = hears();
    using _door = channels.listen(path, near, unexpected);
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    chmodSync(folder, 0o755);
    await assert.rejects(runStranger(path, '', nobody), /connect: Permission denied/);
    chmodSync(path, 0o666);
    const said = await runStranger(
      path,
      'send($s, "let me in", 0); recv($s, my $b, 1, 0); print "hung up" if !length $b;',
      nobody,
    );
    assert.equal(said, 'hung up');
    assert.deepEqual([near.texts, near.ends], [[], []]);
  });

  it('does not talk to another user who listens', { skip: isRoot ? false : 'needs root' }, async () => {
    chmodSync(folder, 0o777);
    const script = `use Socket; socket(my $s, AF_UNIX, SOCK_SEQPACKET, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die; listen($s, 5); $| = 1; print "up\\n"; <STDIN>;`;
    const child = spawn('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'perl', '-e', script, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.throws(() => channels.connect(path, hears()), refusal('EPERM'));
    child.stdin.end();
    await once(child, 'close');
  });
});
