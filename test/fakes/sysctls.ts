import { KernelError } from '../../src/kernel/errors.js';
import type { SysctlChange, SysctlMemory, Sysctls } from '../../src/kernel/ports.js';

/** Kernel settings in memory. */
export interface FakeSysctls extends Sysctls {
  /** By name; a test may change them as anybody on the host may. */
  readonly values: Map<string, string>;
  /** While set, every `write` to a name that it matches is refused with EROFS. */
  readOnly: RegExp | undefined;
}

export function createFakeSysctls(values: Readonly<Record<string, string>>): FakeSysctls {
  const sysctls: FakeSysctls = {
    values: new Map(Object.entries(values)),
    readOnly: undefined,
    async read(name) {
      return sysctls.values.get(name);
    },
    async write(name, value) {
      const operation = `set ${name} to ${value}`;
      if (!sysctls.values.has(name)) throw new KernelError(operation, 'ENOENT');
      if (sysctls.readOnly?.test(name)) throw new KernelError(operation, 'EROFS');
      // IPv6's switch rewrites also when it is written as it was.
      if (sysctls.values.get(name) !== value || name.includes('ipv6')) rewrite(sysctls.values, name, value);
      sysctls.values.set(name, value);
    },
    async list(folder) {
      const below = [...sysctls.values.keys()].filter((name) => name.startsWith(`${folder}/`));
      return [...new Set(below.map((name) => name.slice(folder.length + 1).split('/')[0] as string))];
    },
  };
  return sysctls;
}

/** As the kernel does when the switches for all interfaces change (inet_forward_change, addrconf_forward_change). */
function rewrite(values: Map<string, string>, name: string, value: string): void {
  const switches: Readonly<Record<string, RegExp>> = {
    'net/ipv4/ip_forward': /^net\/ipv4\/conf\/[^/]+\/forwarding$/,
    'net/ipv6/conf/all/forwarding': /^net\/ipv6\/conf\/[^/]+\/forwarding$/,
  };
  for (const other of values.keys()) if (switches[name]?.test(other)) values.set(other, value);
  const redirects = 'net/ipv4/conf/all/accept_redirects';
  if (name === 'net/ipv4/ip_forward' && values.has(redirects)) values.set(redirects, value === '0' ? '1' : '0');
}

/** Memory that outlives whoever uses it. */
export interface FakeSysctlMemory extends SysctlMemory {
  kept: readonly SysctlChange[];
  /** While set, saving is refused. */
  full: boolean;
}

export function createFakeSysctlMemory(): FakeSysctlMemory {
  const memory: FakeSysctlMemory = {
    kept: [],
    full: false,
    async load() {
      return memory.kept;
    },
    async save(changes) {
      if (memory.full) throw new KernelError('save', 'ENOSPC');
      memory.kept = changes;
    },
  };
  return memory;
}
