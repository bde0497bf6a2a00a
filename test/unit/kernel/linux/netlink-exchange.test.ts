import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createNetlinkQuestions, openNetlinkExchange } from '../../../../src/kernel/linux/netlink-exchange.js';
import { netlinkProtocol } from '../../../../src/kernel/linux/netlink-socket.js';
import { encodeListLinks } from '../../../../src/kernel/linux/rtnetlink-message.js';
import { createSystemClock } from '../../../../src/time/system-clock.js';

test('what is longer than the kernel takes is refused, and the socket goes on', async () => {
  using exchange = openNetlinkExchange(
    netlinkProtocol.route,
    createSystemClock(() => performance.now()),
  );
  const links = encodeListLinks();
  const long = { ...links, payload: new Uint8Array(64 << 20) };
  await assert.rejects(exchange.ask('list links', [long]), { code: 'EMSGSIZE' });
  assert.equal(exchange.failed, false);
  assert.ok((await exchange.ask('list links', [links])).length > 0);
});

test('a datagram beyond the first size of the send buffer is sent', async () => {
  using exchange = openNetlinkExchange(
    netlinkProtocol.route,
    createSystemClock(() => performance.now()),
  );
  const links = encodeListLinks();
  // NLMSG_NOOP: the kernel passes over it.
  const requests = Array.from({ length: 12 }, () => ({ ...links, type: 1, flags: 0, payload: new Uint8Array(20_000) }));
  assert.ok((await exchange.ask('list links', [...requests, links])).length > 0);
});

test('questions use few sockets, whether asked one after the other or at once', async () => {
  const kernel = createNetlinkQuestions(
    netlinkProtocol.route,
    createSystemClock(() => performance.now()),
  );
  const sockets = async () => {
    const folder = '/proc/self/fd';
    const files = await Promise.all((await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => '')));
    return files.filter((file) => file.startsWith('socket:')).length;
  };
  const ask = () => kernel.ask('list links', [encodeListLinks()]);
  const before = await sockets();
  const inRow: number[] = [];
  for (let i = 0; i < 20; i++) inRow.push((await ask()).length);
  assert.ok((await sockets()) <= before + 2, `${await sockets()} instead of ${before}`);
  const atOnce = await Promise.all(Array.from({ length: 20 }, ask));
  assert.deepEqual(new Set([...inRow, ...atOnce.map(({ length }) => length)]), new Set([inRow[0]]));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok((await sockets()) <= before + 8, `${await sockets()} instead of ${before}`);
  // And none of them keeps this process alive.
});
