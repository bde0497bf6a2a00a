import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNetlinkExchange } from '../../../../src/kernel/linux/netlink-exchange.js';
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
