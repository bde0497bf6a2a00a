import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelError } from '../../../../src/kernel/errors.js';
import { createIptablesMasquerade } from '../../../../src/kernel/linux/iptables-masquerade.js';
import type { IptablesProgram } from '../../../../src/kernel/linux/iptables-program.js';
import type { MasqueradedService } from '../../../../src/kernel/ports.js';
import type { Family, Ip } from '../../../../src/net/ip.js';

const api: MasqueradedService = { ip: '192.0.2.100' as Ip, port: 6443, refuses: false };
const left = '*nat\n:VIPD-POSTROUTING - [0:0]\n-A POSTROUTING -j VIPD-POSTROUTING\nCOMMIT\n';

/** Programs that keep what they are told; the first `refusals` changes are refused. */
function programs(saved: Partial<Record<Family, string>>, refusals = 0) {
  const restored: (readonly [Family, string])[] = [];
  const program: IptablesProgram = {
    name: 'iptables',
    async save(family) {
      const text = saved[family];
      if (text === undefined) throw new KernelError('save', 'ENOENT');
      return text;
    },
    async restore(family, script) {
      if (refusals-- > 0) throw new KernelError('restore', 'line 2 failed');
      restored.push([family, script]);
    },
  };
  return { restored, masquerade: createIptablesMasquerade(program) };
}

test('leftovers go in each family; a family whose programs are missing has none', async () => {
  const { restored, masquerade } = programs({ 4: left });
  await masquerade.set([]);
  assert.deepEqual(
    restored.map(([family, script]) => [family, script.match(/-X .*/)?.[0]]),
    [[4, '-X VIPD-POSTROUTING']],
  );
});

test('a family that is wanted needs its programs, also to take its rules back', async () => {
  const saved: Partial<Record<Family, string>> = { 4: '' };
  const { masquerade } = programs(saved);
  await masquerade.set([api]);
  delete saved[4];
  await assert.rejects(masquerade.set([]), new KernelError('save', 'ENOENT'));
});

test('a change that somebody else was faster than is made anew, but not for ever', async () => {
  const once = programs({ 4: left }, 1);
  await once.masquerade.set([api]);
  assert.equal(once.restored.length, 1);
  await assert.rejects(programs({ 4: left }, 9).masquerade.set([api]), new KernelError('restore', 'line 2 failed'));
});
