import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createSysctlMemory, createSysctls, sysctlFolder } from '../../../../src/kernel/linux/sysctl.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vipd-sysctl-'));
});
after(() => rm(folder, { recursive: true }));

test('settings are read, written and listed; what is not there is no refusal', async () => {
  await mkdir(join(folder, 'net/ipv4'), { recursive: true });
  await writeFile(join(folder, 'net/ipv4/ip_forward'), '0\n');
  const sysctls = createSysctls(folder);
  assert.equal(await sysctls.read('net/ipv4/ip_forward'), '0');
  await sysctls.write('net/ipv4/ip_forward', '1');
  assert.equal(await sysctls.read('net/ipv4/ip_forward'), '1');
  assert.equal(await sysctls.read('net/ipv4/vs/conntrack'), undefined);
  assert.deepEqual(await sysctls.list('net/ipv4'), ['ip_forward']);
  assert.deepEqual(await sysctls.list('net/ipv6/conf'), []);
});

test('a refusal names what was tried', async () => {
  const sysctls = createSysctls(folder);
  await assert.rejects(sysctls.write('net/nothing', '1'), { message: 'set net/nothing to 1: ENOENT' });
  await assert.rejects(sysctls.read('net'), { message: 'read net: EISDIR' });
});

test('a container’s own place for the host’s settings comes before /proc/sys', async () => {
  // An image may have the place, with nothing mounted there.
  await mkdir(join(folder, 'host/net'), { recursive: true });
  assert.equal(sysctlFolder(join(folder, 'host')), '/proc/sys');
  await mkdir(join(folder, 'host/net/ipv4'));
  assert.equal(sysctlFolder(join(folder, 'host')), join(folder, 'host'));
});

test('this kernel has settings', async () => {
  assert.match((await createSysctls().read('net/ipv4/ip_forward')) ?? '', /^[01]$/);
});

test('changes are kept as a whole, and no file is left without any', async () => {
  const place = join(folder, 'run/vipd');
  const memory = createSysctlMemory(join(place, 'sysctls.json'));
  assert.deepEqual(await memory.load(), []);
  const changes = [
    { name: 'net/ipv4/ip_forward', before: '0', value: '1' },
    { name: 'net/ipv6/conf/eth0.100/accept_ra', before: '1', value: '2' },
  ];
  await memory.save(changes);
  assert.deepEqual(await createSysctlMemory(join(place, 'sysctls.json')).load(), changes);
  assert.deepEqual(await readdir(place), ['sysctls.json']);
  await memory.save([]);
  await memory.save([]);
  assert.deepEqual([await memory.load(), await readdir(place)], [[], []]);
});

test('a file that says anything else says nothing', async () => {
  const file = join(folder, 'lies.json');
  const memory = createSysctlMemory(file);
  const good = { name: 'net/ipv4/ip_forward', before: '0', value: '1' };
  const lies = [
    { ...good, name: 'kernel/sysrq' },
    { ...good, name: 'net/../kernel/sysrq' },
    { ...good, name: '/etc/passwd' },
    { ...good, before: 'a b\nc' },
    { ...good, value: 1 },
    null,
    'net',
  ];
  await writeFile(file, JSON.stringify([...lies, good]));
  assert.deepEqual(await memory.load(), [good]);
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
      await writeFile(file, text);
      assert.ok(Array.isArray(await memory.load()));
    }),
    { numRuns: 50 },
  );
});
