import type { Namespace } from '../../src/lab/network.js';

/** Beside those of the interfaces, of which the kernel rewrites some when others are set. */
const settings = [
  'net.ipv4.ip_forward',
  ...['net.ipv4.vs.conntrack', 'net.ipv4.vs.expire_nodest_conn', 'net.ipv4.vs.conn_reuse_mode'],
];

/** Everything that a vipd that leads changes of a host. */
export interface HostState {
  readonly addresses: readonly string[];
  /** Names of tables, `inet vipd`. */
  readonly tables: readonly string[];
  /** Lines of `ipvsadm -Sn`; empty where the kernel has no IPVS. */
  readonly services: readonly string[];
  /** Kernel settings that the host has, `name = value`. */
  readonly settings: readonly string[];
}

export async function readHostState(host: Namespace): Promise<HostState> {
  const lines = async (command: string) =>
    (await host.run('sh', ['-c', command]))
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .sort();
  const addresses = await lines(`ip -oneline address show dev eth0 | awk '{print $4}'`);
  return {
    addresses: addresses.filter((address) => !address.startsWith('fe80:')),
    tables: (await lines('nft list tables')).map((line) => line.replace(/^table /, '')),
    services: await lines('if [ -e /proc/net/ip_vs ]; then ipvsadm -Sn; fi'),
    settings: await lines(
      `{ sysctl --ignore ${settings.join(' ')}; sysctl --all --pattern '^net[.]ipv[46][.]conf[.]'; } 2>/dev/null || true`,
    ),
  };
}
