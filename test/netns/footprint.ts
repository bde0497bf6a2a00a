import { readFile } from 'node:fs/promises';
import { askStatus } from '../../src/admin/client.js';
import type { Cluster, ClusterNode } from '../../src/lab/cluster.js';
import type { ArpCapture } from './arp-capture.js';
import { clock, until } from './poll.js';

/** What a process has in memory, in MiB. */
export interface Memory {
  /** All its pages, those of files that others have mapped too: what `ps`, `top` and the kubelet's eviction go by. */
  readonly rss: number;
  /** The same with every shared page divided by those who share it. */
  readonly pss: number;
  /** What it wrote itself, and so would be free if it ended. */
  readonly privateDirty: number;
  /** The most it ever had (RSS). */
  readonly peak: number;
}

/** Reads /proc/PID/smaps_rollup. */
export async function readMemory(pid: number): Promise<Memory> {
  const [rollup, status] = await Promise.all([
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  const line = (text: string, name: string) => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    if (kilobytes === undefined) throw new Error(`/proc/${pid} has no ${name}`);
    return Number(kilobytes) / 1024;
  };
  return {
    rss: line(rollup, 'Rss'),
    pss: line(rollup, 'Pss'),
    privateDirty: line(rollup, 'Private_Dirty'),
    peak: line(status, 'VmHWM'),
  };
}

/** From just before the program was started to the VIP, in milliseconds. */
export interface StartTimes {
  /** Until the address was on the interface, by the kernel's notification. */
  readonly held: number;
  /** Until the first gratuitous ARP was on the wire. */
  readonly announced: number;
}

/** Starts the node's vipd and waits for its VIP. The Lease must be free and the node's API server must answer. */
export async function timeStart(cluster: Cluster, node: ClusterNode, capture: ArpCapture): Promise<StartTimes> {
  const events = node.address.events.length;
  const packets = capture.announcements(cluster.vip, node.host).length;
  const began = clock.wall().getTime();
  await node.startVipd();
  const what = (sign: string) => `${sign} of the VIP by ${node.name}`;
  const put = await until(() => node.address.events.slice(events).find(({ kind }) => kind === 'put'), {
    what: what('the address'),
  });
  const first = await until(() => capture.announcements(cluster.vip, node.host)[packets], {
    what: what('an announcement'),
  });
  return { held: put.at - began, announced: first.at - began };
}

/** Reads /metrics and the status of the node's vipd, as monitoring does. */
export async function ask(cluster: Cluster, node: ClusterNode, scrapes: number, statuses: number): Promise<void> {
  const scrape = { method: 'GET', url: `http://${node.host.ip}:2112/metrics`, headers: {} };
  for (let i = 0; i < scrapes; i++) {
    const { status } = await cluster.client.call(scrape);
    if (status !== 200) throw new Error(`/metrics of ${node.name}: ${status}`);
  }
  for (let i = 0; i < statuses; i++) {
    const answer = await askStatus(node.adminSocket);
    if (!answer.ok) throw new Error(`the status of ${node.name} does not come`);
  }
}
