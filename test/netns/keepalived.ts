import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import type { Host } from '../../src/lab/network.js';
import type { Ip } from '../../src/net/ip.js';

/** What a vrrp_instance is made of. */
export interface KeepalivedSettings {
  readonly version: 2 | 3;
  readonly priority: number;
  /** Seconds. */
  readonly advertInterval: number;
  readonly vips: readonly Ip[];
  readonly authPass?: string;
  readonly unicast?: { readonly source: Ip; readonly peers: readonly Ip[] };
  /** More lines of the instance. */
  readonly more?: readonly string[];
}

/** Debian's keepalived with one instance, virtual router 51. */
export interface Keepalived {
  readonly daemon: Daemon;
  /** The states that it entered, in order: `MASTER`, `BACKUP`, `FAULT`. */
  states(): Promise<readonly string[]>;
  /** What it says about advertisements that it refuses. */
  complaints(): Promise<readonly string[]>;
}

/** Starts keepalived's VRRP process; its files are in `folder`. */
export async function startKeepalived(
  host: Host,
  folder: string,
  name: string,
  settings: KeepalivedSettings,
): Promise<Keepalived> {
  const file = (suffix: string) => join(folder, `${name}.${suffix}`);
  await writeFile(file('conf'), configuration(host.name, settings));
  // In the foreground, logging to the console in full, VRRP only.
  const options = ['-n', '-l', '-D', '-P', '-f', file('conf'), '-p', file('pid'), '-r', file('vrrp.pid')];
  const daemon = await startDaemon(host, 'keepalived', options, file('log'));
  const lines = async () => (await readFile(file('log'), 'utf8')).split('\n');
  return {
    daemon,
    states: async () => (await lines()).flatMap((line) => /Entering (\w+) STATE/.exec(line)?.[1] ?? []),
    complaints: async () =>
      (await lines()).filter((line) => /invalid|mismatch|expected|ignoring|wrong|failed|error/i.test(line)),
  };
}

function configuration(name: string, settings: KeepalivedSettings): string {
  const { version, priority, advertInterval, vips, authPass, unicast, more = [] } = settings;
  const auth = authPass === undefined ? '' : `authentication {\n auth_type PASS\n auth_pass ${authPass}\n }`;
  const peers =
    unicast === undefined ? '' : `unicast_src_ip ${unicast.source}\n unicast_peer {\n ${unicast.peers.join('\n ')}\n }`;
  return `global_defs {
  router_id ${name}
  vrrp_version ${version}
}
vrrp_instance VI_1 {
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
}
`;
}
