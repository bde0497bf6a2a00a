import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Namespace } from '../../src/lab/network.js';
import { until } from './poll.js';

/** What a process sent: a change of the kernel by netlink, or an announcement; an ARP probe looks like one here. */
export type Sent = 'address' | 'nftables' | 'ipvs' | 'announcement';

export interface SendTrace {
  /** In the order of the system calls: one observer, whose clock does not matter. */
  readonly sent: readonly Sent[];
  stop(): void;
}

/** linux/rtnetlink.h, linux/nfnetlink.h. */
const newAddress = '0x14';
const batchBegin = '0x10';
/** Ethernet frames as strace prints them: ARP to everybody, and what IPv6 says to all nodes (33:33:00:00:00:01). */
const announcements = [/sendto\(\d+, "(?:\\377){6}.*?\\10\\6/, /sendto\(\d+, "33\\0\\0\\0\\1.*?\\206\\335/];

/**
 * Follows all threads of a process by strace, from the promise's end on.
 * @param elsewhere a namespace that is not the process's: there strace does not know its sockets, and prints numbers for names
 */
export async function traceSends(elsewhere: Namespace, pid: number, within: number): Promise<SendTrace> {
  const ipvsFamily = await genericFamily(elsewhere, 'IPVS');
  const calls = ['-e', 'trace=sendto,sendmsg', '-e', 'signal=none', '-s', '32'];
  const child = elsewhere.spawn('strace', ['-f', ...calls, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const sent: Sent[] = [];
  let attached = false;
  createInterface({ input: child.stderr as Readable }).on('line', (line) => {
    attached ||= /attached/.test(line);
    const kind = kindOf(line, ipvsFamily);
    if (kind !== undefined) sent.push(kind);
  });
  await until(() => attached, { within, what: `strace of process ${pid}` });
  return { sent, stop: () => void child.kill('SIGINT') };
}

function kindOf(line: string, ipvsFamily: string | undefined): Sent | undefined {
  if (announcements.some((frame) => frame.test(line))) return 'announcement';
  const [, length, type, flags = ''] = /nlmsg_len=(\d+), nlmsg_type=(\S+).*?nlmsg_flags=([^,]+)/.exec(line) ?? [];
  if (type === undefined || flags.includes('NLM_F_DUMP')) return undefined;
  if (type === ipvsFamily) return flags.includes('NLM_F_ACK') ? 'ipvs' : undefined;
  if (type === batchBegin && length === '20') return 'nftables';
  return type === newAddress ? 'address' : undefined;
}

/** The number of a generic netlink family, as strace prints it; undefined where the kernel has none of the name. */
async function genericFamily(namespace: Namespace, name: string): Promise<string | undefined> {
  const list = await namespace.run('genl', ['ctrl', 'list']);
  return new RegExp(`^Name: ${name}\\s+ID: (0x\\w+)`, 'm').exec(list)?.[1];
}
