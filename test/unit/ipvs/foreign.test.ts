import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FoundRule, kubeVipLeftovers } from '../../../src/ipvs/foreign.js';
import type { Endpoint, IpvsServiceName } from '../../../src/kernel/ports.js';
import type { Ip } from '../../../src/net/ip.js';

const vip = '192.0.2.100' as Ip;
const ours: readonly Endpoint[] = [{ ip: vip, port: 6443 }];
const byIptables = (rule: string): FoundRule => ({ by: 'iptables', program: 'iptables-legacy', table: 'nat', rule });
const byNftables = (words: string): FoundRule => ({
  by: 'nftables',
  family: 'ip',
  table: 'mangle',
  chain: 'ipvs_prerouting',
  handle: 7n,
  words,
});
const tcp = (ip: string, port: number): IpvsServiceName => ({ kind: 'address', protocol: 'tcp', ip: ip as Ip, port });

test('its service on the mark, and services on a VIP that are not ours, are named with the command that removes them', () => {
  const services: readonly IpvsServiceName[] = [
    { kind: 'mark', mark: 10042 },
    { kind: 'mark', mark: 1 },
    tcp(vip, 6443),
    tcp(vip, 8443),
    tcp('10.96.0.1', 443),
    { kind: 'address', protocol: 'udp', ip: vip, port: 53 },
  ];
  assert.deepEqual(kubeVipLeftovers({ services, rules: [] }, ours), [
    { what: 'IPVS service on mark 10042', remove: 'ipvsadm -D -f 10042' },
    { what: 'IPVS service 192.0.2.100:8443', remove: 'ipvsadm -D -t 192.0.2.100:8443' },
  ]);
});

test('its rules are known by their comments; those of Services and of others are not its leftovers', () => {
  const rule =
    '-A POSTROUTING -m ipvs --vaddr 192.0.2.100 -m comment --comment "192.0.2.100 kube-vip load balancer IP" -j MASQUERADE';
  const rules = [
    byIptables(rule),
    byIptables('-A INPUT -m comment --comment "default/web kube-vip load balancer IP" -j DROP'),
    byIptables('-A POSTROUTING -j KUBE-POSTROUTING'),
    byNftables('control-plane kube-vip load balancer IP - IPVS, VIP 192.0.2.100, MARK 10042'),
    byNftables('default/web kube-vip load balancer IP - TCP ports'),
    byNftables(''),
  ];
  assert.deepEqual(kubeVipLeftovers({ services: [], rules }, ours), [
    { what: 'iptables-legacy rule in nat POSTROUTING', remove: `iptables-legacy -t nat -D${rule.slice(2)}` },
    {
      what: 'nftables rule in ip mangle ipvs_prerouting',
      remove: 'nft delete rule ip mangle ipvs_prerouting handle 7',
    },
  ]);
});
