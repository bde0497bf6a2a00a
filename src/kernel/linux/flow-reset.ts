import { randomInt } from 'node:crypto';
import { endpoint } from '../../net/ip.js';
import { encodeTcpAcknowledgement } from '../../net/tcp.js';
import type { Clock } from '../../time/clock.js';
import { type Millis, millis, plus } from '../../time/instant.js';
import { KernelError } from '../errors.js';
import type { Flow, Flows } from '../ports.js';
import { type Addon, orKernelError } from './addon.js';
import {
  decodeFlow,
  encodeDeleteFlows,
  encodeListFlows,
  flowsOf,
  nameOfFlow,
  nameOfListed,
} from './conntrack-message.js';
import { openNetlinkExchange } from './netlink-exchange.js';
import type { NetlinkMessage } from './netlink-message.js';
import { netlinkProtocol } from './netlink-socket.js';

type Endpoint = Flow['service'];

/** How often a list is asked for again that changed while the kernel listed it. */
const listAttempts = 5;
/** Entries deleted by one datagram: the refusals of all of them find room in the socket's receive buffer. */
const deletedAtOnce = 100;

/** How both ends are addressed. */
interface Manner {
  readonly withTimestamp: boolean;
  readonly withByte: boolean;
}

const bare: Manner = { withTimestamp: false, withByte: false };
/**
 * When both ends are addressed again, from the first time on; the first of it before the address goes (`farewell`). IPVS spends the first answer on finding that the backend is gone
 * (expire_nodest_conn), unless the kernel has gone through its connections before (Linux 5.9, expire_nodest_conn_work, a tick later). A
 * Linux socket answers segments that do not fit once in 500 ms, those with data always (tcp_oow_rate_limited). Timestamps only the last
 * time: Linux 6.14 drops one that is old without an answer, FreeBSD a segment without any.
 */
const repetitions: readonly (Manner & { readonly after: Millis })[] = [
  { ...bare, after: millis(30), withByte: true },
  { ...bare, after: millis(600) },
  { ...bare, after: millis(1200), withTimestamp: true },
];

/**
 * Connections by connection tracking (ctnetlink), ended without knowing their sequence numbers:
 *
 * 1. The entry is deleted. Now every segment of the client ends at VIP:port of this host and every segment of the backend at an
 *    address where this host has no such connection; both are answered with a reset whose sequence number is what the segment
 *    acknowledges (RFC 9293 section 3.5.2), which its sender must accept.
 * 2. To make idle ends send, each gets an acknowledgement in the other's name whose sequence number does not fit. To such a segment
 *    TCP answers with an acknowledgement that tells what it expects (RFC 9293 section 3.10.7.4), and step 1 has its segment.
 *
 * An end behind a firewall that drops what does not fit (conntrack's INVALID) does not answer; it is reset when it sends.
 */
export function createFlows(addon: Pick<Addon, 'rawSend'>, clock: Clock): Flows {
  async function list(service: Endpoint, attempts = listAttempts): Promise<readonly NetlinkMessage[]> {
    try {
      using exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
      return await exchange.ask('list connections', encodeListFlows(service));
    } catch (error) {
      if (attempts <= 1 || !(error instanceof KernelError) || error.code !== 'ESTALE') throw error;
      return await list(service, attempts - 1);
    }
  }

  async function forget(flows: readonly Flow[]): Promise<void> {
    using exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
    for (let start = 0; start < flows.length; start += deletedAtOnce) {
      await exchange.ask('delete connections', encodeDeleteFlows(flows.slice(start, start + deletedAtOnce)));
    }
  }

  function provoke(flows: readonly Flow[], manner: Manner): void {
    const packets = flows.flatMap((flow) => provocations(flow, manner));
    orKernelError('a raw IP socket', () => addon.rawSend(packets));
  }

  /** Leaves out clients that have a new connection from the same port by now. */
  async function provokeAgain(flows: readonly Flow[], manner: Manner): Promise<void> {
    const services = new Map(flows.map(({ service }) => [endpoint(service.ip, service.port), service]));
    const present = new Set<string>();
    for (const service of services.values())
      for (const listed of await list(service)) present.add(nameOfListed(listed));
    provoke(
      flows.filter((flow) => !present.has(nameOfFlow(flow))),
      manner,
    );
  }

  return {
    async find(service, backend) {
      const listed = (await list(service)).filter(flowsOf(service, backend));
      return listed.map(decodeFlow).flatMap((flow) => (flow.ok ? [flow.value] : []));
    },
    async reset(flows, which) {
      const concerned = which === 'all' ? flows : flows.filter(({ phase }) => phase !== 'open');
      if (concerned.length > 0) await forget(concerned);
      const open = concerned.filter(({ phase }) => phase === 'open');
      if (open.length === 0) return 0;
      provoke(open, bare);
      for (const { after, ...manner } of repetitions) {
        // What could go wrong went wrong the first time.
        clock.at(plus(clock.now(), after), () => void provokeAgain(open, manner).catch(() => {}));
      }
      return open.length;
    },
  };
}

function provocations(flow: Flow, { withTimestamp, withByte }: Manner): readonly Uint8Array[] {
  return [
    { source: flow.service, destination: flow.client },
    { source: flow.answersTo, destination: flow.backend },
  ].map((ends) =>
    encodeTcpAcknowledgement({
      ...ends,
      sequence: anyNumber(),
      acknowledged: anyNumber(),
      timestamp: withTimestamp ? anyNumber() : undefined,
      hasByte: withByte,
    }),
  );
}

/** Fits by chance once in thousands; the repetition has another. Both of one segment fit never, in effect: no byte is ever taken for data. */
function anyNumber(): number {
  return randomInt(0x1_0000_0000);
}
