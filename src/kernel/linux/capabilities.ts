import { readFileSync } from 'node:fs';
import type { Capabilities } from '../ports.js';

/** By number (linux/capability.h, 0 to CAP_LAST_CAP of Linux 6.x). */
const names = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...['LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER'],
  ...['SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE'],
  ...['SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP'],
  ...['MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF'],
  'CHECKPOINT_RESTORE',
] as const;

/** The capabilities that `CapEff` in the text of /proc/PID/status names; none when there is no such line. */
export function effectiveCapabilities(status: string): ReadonlySet<string> {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/im.exec(status)?.[1] ?? '0'}`);
  return new Set(names.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n));
}

export function createCapabilities(): Capabilities {
  return { effective: () => effectiveCapabilities(readFileSync('/proc/self/status', 'utf8')) };
}
