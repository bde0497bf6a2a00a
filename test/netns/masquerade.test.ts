import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMasquerade } from '../../src/kernel/linux/masquerade.js';
import type { MasqueradedService } from '../../src/kernel/ports.js';
import type { Ip } from '../../src/net/ip.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { clock } from './poll.js';

const api: MasqueradedService = { ip: '192.0.2.100' as Ip, port: 6443, refuses: false };
const api6: MasqueradedService = { ip: '2001:db8::100' as Ip, port: 6443, refuses: false };
const registration: MasqueradedService = { ip: '192.0.2.100' as Ip, port: 9345, refuses: false };

inOwnNamespace(import.meta.filename, () => {
  describe('masquerade of what IPVS forwards', () => {
    const masquerade = createMasquerade(clock);

    test('the table has a rule for each service, on the tuple that the client chose, before others’ source NAT', async () => {
      await masquerade.set([api, api6]);
      assert.match(rules(), /^table inet vipd-ipvs \{ # progname /);
      assert.ok(rules().includes('type nat hook postrouting priority 99; policy accept;'));
      const said = rules()
        .split('\n')
        .filter((line) => line.includes('masquerade'))
        .map((line) => line.trim());
      assert.deepEqual(said, [
        'meta nfproto 2 ct original ip daddr 192.0.2.100 meta l4proto 6 ct original proto-dst 6443 masquerade',
        'meta nfproto 10 ct original ip6 daddr 2001:db8::100 meta l4proto 6 ct original proto-dst 6443 masquerade',
      ]);
    });

    test('new connections to a service that refuses are reset', async () => {
      await masquerade.set([{ ...api, refuses: true }, api6]);
      const said = rules()
        .split('\n')
        .filter((line) => line.includes('reset'));
      const reset =
        'ip daddr 192.0.2.100 tcp dport 6443 tcp flags 0x2 / 0x1,0x2,0x4,0x10 fib daddr type 2 reject with tcp reset';
      assert.deepEqual(
        said.map((line) => line.trim()),
        [reset, reset],
      );
    });

    test('it holds exactly what was set last, and is gone without services', async () => {
      await masquerade.set([registration]);
      assert.ok(rules().includes('proto-dst 9345') && !rules().includes('6443'));
      await masquerade.set([]);
      assert.equal(rules(), '');
      await masquerade.set([]);
    });
  });
});

function rules(): string {
  return run('nft', '--numeric', 'list', 'ruleset').trim();
}
