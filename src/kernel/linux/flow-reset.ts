import { randomInt } from 'node:crypto';
import { endpoint } from '../../net/ip.js';
import { encodeTcpAcknowledgement } from '../../net/tcp.js';
import type { Clock } from '../../time/clock.js';
import { millis, plus } from '../../time/instant.js';
import { KernelError } from '../errors.js';
import type { Flow, Flows } from '../ports.js';
import { type Addon, orKernelError } from './addon.js';
import { decodeFlow, encodeDeleteFlows, encodeListFlows } from './conntrack-message.js';
import { openNetlinkExchange } from './netlink-exchange.js';
import { netlinkProtocol } from './netlink-socket.js';

type Endpoint = Flow['service'];

/** How often a list is asked for again that changed while the kernel listed it. */
const listAttempts = 5;
/** Entries deleted by one datagram: the refusals of all of them find room in the socket's receive buffer. */
const deletedAtOnce = 100;
/**
 * When both ends are addressed again, from the first time on. A Linux socket answers segments that do not fit once in 500 ms
 * (tcp_invalid_ratelimit); before Linux 5.9 IPVS spends the first answer on finding that the backend is gone (expire_nodest_conn).
 * Timestamps only the last time: Linux 6.14 drops one that is old without an answer, FreeBSD a segment without any.
 */
const repetitions = [
  { after: millis(600), withTimestamp: false },
  { after: millis(1200), withTimestamp: true },
] as const;

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
  async function list(service: Endpoint, attempts = listAttempts): Promise<readonly Flow[]> {
    try {
      using exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
      const listed = await exchange.ask('list connections', encodeListFlows(service));
      return listed
        .map(decodeFlow)
        .flatMap((flow) => (flow.ok ? [flow.value] : []))
        .filter((flow) => isAt(flow.service, service));
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

  function provoke(flows: readonly Flow[], withTimestamp: boolean): void {
    const packets = flows.flatMap((flow) => provocations(flow, withTimestamp));
    orKernelError('a raw IP socket', () => addon.rawSend(packets));
  }

  /** Leaves out clients that have a new connection from the same port by now. */
  async function provokeAgain(flows: readonly Flow[], withTimestamp: boolean): Promise<void> {
    const services = new Map(flows.map(({ service }) => [endpoint(service.ip, service.port), service]));
    const present = new Set<string>();
    for (const service of services.values()) for (const flow of await list(service)) present.add(nameOf(flow));
    provoke(
      flows.filter((flow) => !present.has(nameOf(flow))),
      withTimestamp,
    );
  }

  return {
    async find(service, backend) {
      const flows = await list(service);
      return backend === undefined ? flows : flows.filter((flow) => isAt(flow.backend, backend));
    },
    async reset(flows, which) {
      const concerned = which === 'all' ? flows : flows.filter(({ phase }) => phase !== 'open');
      if (concerned.length > 0) await forget(concerned);
      const open = concerned.filter(({ phase }) => phase === 'open');
      if (open.length === 0) return 0;
      provoke(open, false);
      for (const { after, withTimestamp } of repetitions) {
        // What could go wrong went wrong the first time.
        clock.at(plus(clock.now(), after), () => void provokeAgain(open, withTimestamp).catch(() => {}));
      }
      return open.length;
    },
  };
}

function nameOf({ client, service }: Flow): string {
  return `${endpoint(client.ip, client.port)} ${endpoint(service.ip, service.port)}`;
}

function isAt(a: Endpoint, b: Endpoint): boolean {
  return a.ip === b.ip && a.port === b.port;
}

function provocations(flow: Flow, withTimestamp: boolean): readonly Uint8Array[] {
  return [
    { source: flow.service, destination: flow.client },
    { source: flow.answersTo, destination: flow.backend },
  ].map((ends) =>
    encodeTcpAcknowledgement({
      ...ends,
      sequence: anyNumber(),
      acknowledged: anyNumber(),
      timestamp: withTimestamp ? anyNumber() : undefined,
    }),
  );
}

/** Fits by chance once in thousands; the repetition has another. */
function anyNumber(): number {
  return randomInt(0x1_0000_0000);
}
