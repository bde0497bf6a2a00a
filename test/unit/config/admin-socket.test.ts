import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminSocketBytes,
  besideSocket,
  doorBeside,
  isBesideSocket,
  isDoorOf,
} from '../../../src/config/admin-socket.js';

const path = '/run/vipd/vipd.sock';

test('what lies beside the admin socket is known by its name, and nothing else is', () => {
  const ours = [besideSocket(path, 1), besideSocket(path, 4_194_304), doorBeside(path, '0123abcd')];
  for (const file of [...ours, `${doorBeside(path, '0123abcd')}.new`]) {
    assert.ok(isBesideSocket('vipd.sock', file.slice('/run/vipd/'.length)), file);
    assert.ok(file.length <= path.length + 107 - adminSocketBytes, file);
  }
  for (const file of ['vipd.sock', 'vipd.sock.sysctls.json', 'vipd.sock~', 'vipd.sock.0123abcd.old', 'other.sock~1'])
    assert.ok(!isBesideSocket('vipd.sock', file), file);
});

test('a door is that of one admin socket', () => {
  const door = doorBeside(path, '0123abcd');
  assert.ok(isDoorOf(path, door));
  for (const other of ['/run/vipd/other.sock', '/run/vipd/vipd.soc', '/run/vipd/vipd.sock2', '/tmp/vipd/vipd.sock'])
    assert.ok(!isDoorOf(other, door), other);
});
