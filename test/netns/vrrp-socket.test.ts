import { fileURLToPath } from 'node:url';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createVrrpSockets } from '../../src/kernel/linux/vrrp-socket.js';
import type { Family, Ip } from '../../src/net/ip.js';
import { type VrrpHost, vrrpSocketsContract } from '../contract/vrrp-sockets.js';
import { inOwnNamespace, run } from './network-namespace.js';

const sockets = createVrrpSockets(loadAddon());
let hosts = 0;

/**
 * A host is an interface of this namespace, plugged into the bridge: sockets are bound to interfaces, so that their packets cross the
 * wire.
 */
function join(family: Family): VrrpHost {
  hosts++;
  const [name, port] = [`host${hosts}`, `port${hosts}`];
  const ip = (family === 4 ? `192.0.2.${hosts}` : `fe80::${hosts}`) as Ip;
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', port);
  run('sysctl', '-qw', `net.ipv6.conf.${port}.disable_ipv6=1`, `net.ipv6.conf.${name}.addr_gen_mode=1`);
  run('sysctl', '-qw', `net.ipv6.conf.${name}.accept_dad=0`);
  for (const setting of ['accept_local=1', 'rp_filter=0', 'arp_ignore=1']) {
    run('sysctl', '-qw', `net.ipv4.conf.${name}.${setting}`);
  }
  const addAddress = () => run('ip', 'address', 'replace', family === 4 ? `${ip}/24` : `${ip}/64`, 'dev', name);
  addAddress();
  run('ip', 'link', 'set', port, 'master', 'lan', 'up');
  run('ip', 'link', 'set', name, 'up');
  return {
    sockets,
    link: Number.parseInt(run('ip', '-o', 'link', 'show', name), 10),
    ip,
    setUp(up) {
      run('ip', 'link', 'set', name, up ? 'up' : 'down');
      // A link-local address of IPv6 goes with the link.
      if (up) addAddress();
    },
  };
}

inOwnNamespace(fileURLToPath(import.meta.url), () => {
  run('ip', 'link', 'add', 'lan', 'type', 'bridge', 'mcast_snooping', '0', 'stp_state', '0');
  run('sysctl', '-qw', 'net.ipv6.conf.lan.disable_ipv6=1', 'net.ipv4.conf.all.rp_filter=0');
  run('ip', 'link', 'set', 'lan', 'up');
  for (const family of [4, 6] as const) vrrpSocketsContract('raw sockets', family, () => join(family));
});
