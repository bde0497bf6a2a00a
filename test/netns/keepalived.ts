import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import type { Host } from '../../src/lab/network.js';
import { familyOf, type Ip } from '../../src/net/ip.js';

/** What a vrrp_instance is made of. */
export interface KeepalivedSettings {
  readonly version: 2 | 3;
  readonly priority: number;
  /** Seconds. */
  readonly advertInterval: number;
  /** Of both families: an instance each, in one vrrp_sync_group. */
  readonly vips: readonly Ip[];
  readonly authPass?: string;
  readonly unicast?: { readonly sources: readonly Ip[]; readonly peers: readonly Ip[] };
  /** More lines of each instance. */
  readonly more?: readonly string[];
}

/** Debian's keepalived, virtual router 51. */
export interface Keepalived {
  readonly daemon: Daemon;
  /** The states that it entered, in order: `MASTER`, `BACKUP`, `FAULT`. */
  states(): Promise<readonly string[]>;
  /** What it says about advertisements that it refuses. */
  complaints(): Promise<readonly string[]>;
  /** SIGKILL to both of its processes: killed alone, the one would be started again or clean up after the other. */
  kill(): Promise<void>;
}

/** Starts keepalived's VRRP process; its files are in `folder`. */
export async function startKeepalived(
  host: Host,
  folder: string,
  name: string,
  settings: KeepalivedSettings,
): Promise<Keepalived> {
  const config = join(folder, `${name}.conf`);
  await writeFile(config, configuration(host.name, settings));
  return runKeepalived(host, folder, name, config);
}

/** The same with a file as it is. */
export async function runKeepalived(host: Host, folder: string, name: string, config: string): Promise<Keepalived> {
  const file = (suffix: string) => join(folder, `${name}.${suffix}`);
  // What a killed one left; a machine that is switched on has none.
  for (const pid of ['pid', 'vrrp.pid']) await rm(file(pid), { force: true });
  // In the foreground, logging to the console in full, VRRP only.
  const options = ['-n', '-l', '-D', '-P', '-f', config, '-p', file('pid'), '-r', file('vrrp.pid')];
  const daemon = await startDaemon(host, 'keepalived', options, file('log'));
  const lines = async () => (await readFile(file('log'), 'utf8')).split('\n');
  return {
    daemon,
    states: async () => (await lines()).flatMap((line) => /Entering (\w+) STATE/.exec(line)?.[1] ?? []),
    complaints: async () =>
      (await lines()).filter((line) => /invalid|mismatch|expected|ignoring|wrong|failed|error/i.test(line)),
    async kill() {
      daemon.signal('SIGSTOP');
      process.kill(Number(await readFile(file('vrrp.pid'), 'utf8')), 'SIGKILL');
      daemon.signal('SIGKILL');
      await daemon.ended;
    },
  };
}

function configuration(name: string, settings: KeepalivedSettings): string {
  const groups = ([4, 6] as const)
    .map((family) => ({ family, vips: settings.vips.filter((ip) => familyOf(ip) === family) }))
    .filter(({ vips }) => vips.length > 0);
  // v2 speaks IPv4 alone: an IPv6 address moves along unspoken.
  const [first, second] = groups;
  const isUnspoken = settings.version === 2 && first?.family === 4 && second !== undefined;
  const instances = isUnspoken
    ? [instance('VI_4', settings, first.vips, second.vips)]
    : groups.map(({ family, vips }) => instance(`VI_${family}`, settings, vips, []));
  const group = instances.length > 1 ? `vrrp_sync_group VG_1 {\n group {\n VI_4\n VI_6\n }\n}` : '';
  return `global_defs {
  router_id ${name}
  vrrp_version ${settings.version}
}
${instances.join('')}${group}
`;
}

function instance(name: string, settings: KeepalivedSettings, vips: readonly Ip[], excluded: readonly Ip[]): string {
  const { priority, advertInterval, authPass, unicast, more = [] } = settings;
  const isAlike = (ip: Ip) => familyOf(ip) === familyOf(vips[0] as Ip);
  const auth = authPass === undefined ? '' : `authentication {\n auth_type PASS\n auth_pass ${authPass}\n }`;
  const peers =
    unicast === undefined
      ? ''
      : `unicast_src_ip ${unicast.sources.find(isAlike)}\n unicast_peer {\n ${unicast.peers.filter(isAlike).join('\n ')}\n }`;
  const others = excluded.length === 0 ? '' : `virtual_ipaddress_excluded {\n    ${excluded.join('\n    ')}\n  }`;
  return `vrrp_instance ${name} {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority ${priority}
  advert_int ${advertInterval}
  ${auth}
  ${peers}
  ${more.join('\n  ')}
  virtual_ipaddress {
    ${vips.join('\n    ')}
  }
  ${others}
}
`;
}
