import type { Family } from '../net/ip.js';

/** Which data plane of the kernel's needs a setting. */
export type SettingsUser = 'ipvs' | 'nftables';

/** A kernel setting that a data plane needs. */
export interface HostSetting {
  /** Below /proc/sys. */
  readonly name: string;
  readonly value: string;
  /** Only a setting that has this value now is changed. */
  readonly from?: string;
  /** Without it nothing works; the others make the best of failures. */
  readonly necessary: boolean;
  /** What it is good for, for the operator who finds it changed. */
  readonly because: string;
}

/** What of a host decides which settings it needs. */
export interface SettingsHost {
  /** The kernel's, `6.1.0-56-amd64`. */
  readonly release: string;
  /** Interfaces that may have IPv6 routes from router advertisements: those that do not forward IPv6. */
  readonly interfaces: readonly string[];
}

/** The settings for services of one family, in the order in which they are to be made. */
export function settingsFor(user: SettingsUser, family: Family, host: SettingsHost): readonly HostSetting[] {
  const forwarding = family === 4 ? [forwarding4] : forwarding6(host.interfaces);
  return user === 'ipvs' ? [...ipvsSettings(host.release), ...forwarding] : forwarding;
}

/** A setting that the kernel itself rewrites when the switch for all interfaces gets another value. */
export interface Rewritten {
  readonly switch: string;
  /** What the kernel makes of it when the switch gets this value. */
  value(ofSwitch: string): string;
}

const switch4 = 'net/ipv4/ip_forward';
const switch6 = 'net/ipv6/conf/all/forwarding';
const redirects = 'net/ipv4/conf/all/accept_redirects';

/**
 * Undefined for a setting that stays as it is whatever else is set. (net/ipv4/devinet.c inet_forward_change, net/ipv6/addrconf.c
 * addrconf_forward_change)
 */
export function rewrittenBy(name: string): Rewritten | undefined {
  if (name === redirects) return { switch: switch4, value: (on) => (on === '0' ? '1' : '0') };
  const [, family, device] = /^net\/ipv([46])\/conf\/([^/]+)\/forwarding$/.exec(name) ?? [];
  if (family === undefined || device === 'all') return undefined;
  return { switch: family === '4' ? switch4 : switch6, value: (on) => on };
}

/** What the kernel rewrites with a switch; nothing with another setting. `interfaces` lists a folder of settings. */
export async function rewrittenWith(
  name: string,
  interfaces: (folder: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (name !== switch4 && name !== switch6) return [];
  const folder = name === switch4 ? 'net/ipv4/conf' : 'net/ipv6/conf';
  const devices = (await interfaces(folder)).filter((device) => device !== 'all');
  const each = devices.map((device) => `${folder}/${device}/forwarding`);
  return name === switch4 ? [redirects, ...each] : each;
}

/**
 * The setting whose value may be written again to find out whether this one could be changed. IPv6's switch rewrites the interfaces
 * also when it gets the value that it has; its default for new interfaces rewrites nothing. (addrconf_fixup_forwarding)
 */
export function triedWith(name: string): string {
  return name === switch6 ? 'net/ipv6/conf/default/forwarding' : name;
}

/** `net/ipv4/vs` counts for IPv6 too and is there once the module ip_vs is. */
function ipvsSettings(release: string): readonly HostSetting[] {
  return [
    {
      name: 'net/ipv4/vs/conntrack',
      value: '1',
      necessary: true,
      because: 'IPVS connections are masqueraded only when they are tracked',
    },
    {
      name: 'net/ipv4/vs/expire_nodest_conn',
      value: '1',
      necessary: false,
      because: 'connections of a removed backend end instead of hanging',
    },
    reuseSetting(release),
  ];
}

const forwarding4: HostSetting = {
  name: switch4,
  value: '1',
  necessary: true,
  because: 'replies of the backends pass through this host',
};

/**
 * A host that forwards takes no routes from router advertisements, and drops those that it has, unless its interfaces say
 * `accept_ra=2` (Documentation/networking/ip-sysctl.rst): whoever has its default route from there would lose it.
 */
function forwarding6(interfaces: readonly string[]): readonly HostSetting[] {
  const routes = interfaces
    .filter((name) => name !== 'all' && name !== 'lo')
    .map((name) => ({
      name: `net/ipv6/conf/${name}/accept_ra`,
      value: '2',
      from: '1',
      necessary: false,
      because: 'a host that forwards keeps its routes from router advertisements',
    }));
  return [...routes, { ...forwarding4, name: switch6 }];
}

/**
 * What becomes of a client's port that is used again while IPVS still knows its last connection. 1 schedules it anew. Kernels before
 * 5.9 drop the first SYN of such a connection when IPVS connections are tracked, which costs the client a second, and many in a
 * storm (kubernetes #81775; commit f0a5e4d7a594): there 0, which sends it to the backend of the last one. A backend of weight 0 gets
 * none either way, because expire_nodest_conn is on.
 */
function reuseSetting(release: string): HostSetting {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  const reschedules = major > 5 || (major === 5 && minor >= 9);
  return {
    name: 'net/ipv4/vs/conn_reuse_mode',
    value: reschedules ? '1' : '0',
    necessary: false,
    because: reschedules
      ? 'a port used again is balanced anew'
      : 'kernels before 5.9 drop the first SYN of a port used again',
  };
}
