import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kubeVipLeftovers } from '../../src/ipvs/foreign.js';
import { readFoundRules } from '../../src/kernel/linux/found-rules.js';
import type { Ip } from '../../src/net/ip.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { clock } from './poll.js';

const ours = [{ ip: '192.0.2.100' as Ip, port: 6443 }];
const comment = 'control-plane kube-vip load balancer IP - IPVS, VIP 192.0.2.100, MARK 10042';

inOwnNamespace(import.meta.filename, () => {
  describe('what kube-vip left in the packet filters', () => {
    const leftovers = async () => kubeVipLeftovers({ services: [], rules: await readFoundRules(clock) }, ours);

    test('nothing, where there is nothing of it', async () => {
      assert.deepEqual(await leftovers(), []);
      run('nft', 'add table ip nat; add chain ip nat POSTROUTING { type nat hook postrouting priority 100; }');
      run('nft', 'add rule ip nat POSTROUTING masquerade comment "pods"');
      run(
        'iptables-nft',
        '-A',
        'INPUT',
        '-m',
        'comment',
        '--comment',
        'default/web kube-vip load balancer IP',
        '-j',
        'DROP',
      );
      assert.deepEqual(await leftovers(), []);
    });

    test('its rules, by nftables and by both kinds of iptables, and the commands remove them', async () => {
      run(
        'nft',
        'add table ip mangle; add chain ip mangle ipvs_prerouting { type filter hook prerouting priority -150; }',
      );
      run(
        'nft',
        `add rule ip mangle ipvs_prerouting ip daddr 192.0.2.100 @th,16,16 6443 mark set 10042 comment "${comment}"`,
      );
      run('nft', `insert rule ip nat POSTROUTING mark 10042 masquerade comment "${comment}"`);
      const words = ['-m', 'comment', '--comment', '192.0.2.100 kube-vip load balancer IP'] as const;
      for (const iptables of ['iptables-nft', 'iptables-legacy']) {
        run(iptables, '-t', 'nat', '-I', 'POSTROUTING', '1', '-d', '192.0.2.100', '-j', 'MASQUERADE', ...words);
      }
      const found = await leftovers();
      assert.deepEqual(found.map(({ what }) => what).sort(), [
        'iptables-legacy rule in nat POSTROUTING',
        'nftables rule in ip mangle ipvs_prerouting',
        'nftables rule in ip nat POSTROUTING',
        'nftables rule in ip nat POSTROUTING',
      ]);
      for (const { remove } of found) run('sh', '-c', remove);
      assert.deepEqual(await leftovers(), []);
      const kept = run('nft', 'list', 'ruleset');
      assert.ok(kept.includes('comment "pods"') && kept.includes('chain INPUT'));
    });
  });
});
