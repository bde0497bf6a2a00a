import type { Count, Table } from '../../nft/table.js';
import type { Clock } from '../../time/clock.js';
import { millis, plus } from '../../time/instant.js';
import { KernelError } from '../errors.js';
import type { Generation } from '../ports.js';
import { type NetlinkExchange, openNetlinkExchange } from './netlink-exchange.js';
import { netlinkProtocol } from './netlink-socket.js';
import {
  decodeCounter,
  encodeListCounters,
  encodeMakeTable,
  encodeRemoveTable,
  encodeSetTable,
  encodeSweep,
  type Names,
  namesOf,
  ownerFlag,
} from './nft-message.js';

/** The name of a table of this generation. */
export function tableName(name: string, generation: Generation): string {
  return generation === 0 ? name : `${name}-${generation}`;
}

/** An nftables table (family inet) of this process, made without the nft binary. */
export interface NftTable {
  /**
   * Makes the table hold exactly this, in one transaction; undefined removes it, also one that a process without owner flag left.
   * Calls are done one after the other, in their order, whatever became of those before. Rejects with a KernelError: `EPERM` on
   * "table NAME" says that another living process owns it.
   */
  set(wanted: Table | undefined): Promise<void>;
  /** What the named counters have counted; empty when there is no table. */
  counters(): Promise<ReadonlyMap<string, Count>>;
}

/** The table as this process holds it: the socket that owns it, the flags that it was made with, what is in it by name. */
interface Held {
  readonly exchange: NetlinkExchange;
  readonly flags: number;
  names: Names;
}

/** How often counters are asked for again when a change came between. */
const listAttempts = 5;
const closingTime = millis(50);

/**
 * Where the kernel lets a process own a table (5.12), it ends with the process; elsewhere a leftover goes at the next process'
 * first `set`.
 * @param operation what the refusals are called
 */
export function createNftTable(name: string, operation: string, clock: Clock): NftTable {
  let held: Held | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function apply(wanted: Table | undefined): Promise<void> {
    if (held?.exchange.failed) release();
    if (wanted === undefined) {
      if (held === undefined) return await removeLeftover(name, operation, clock);
      await held.exchange.ask(operation, encodeRemoveTable(name, held.flags));
      release();
      return;
    }
    held ??= await claimLost(name, operation, clock);
    const { exchange, flags, names } = held;
    await exchange.ask(operation, encodeSetTable(name, flags, wanted, names));
    const now = namesOf(wanted);
    held.names = {
      chains: new Set([...names.chains, ...now.chains]),
      counters: new Set([...names.counters, ...now.counters]),
    };
    await sweep(held, now);
  }

  /** What a kernel still holds on to is swept after the next change. */
  async function sweep(table: Held, wanted: Names): Promise<void> {
    const chains = [...table.names.chains].filter((chain) => !wanted.chains.has(chain));
    const counters = [...table.names.counters].filter((counter) => !wanted.counters.has(counter));
    if (chains.length + counters.length === 0) return;
    try {
      await table.exchange.ask(operation, encodeSweep(name, chains, counters));
      table.names = wanted;
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'EBUSY') throw error;
    }
  }

  async function list(attempts: number): Promise<ReadonlyMap<string, Count>> {
    if (held === undefined || held.exchange.failed) return new Map();
    try {
      const listed = await held.exchange.ask('list nftables counters', encodeListCounters(name));
      return new Map(listed.map(decodeCounter).flatMap((counter) => (counter.ok ? [counter.value] : [])));
    } catch (error) {
      if (attempts <= 1 || !(error instanceof KernelError) || error.code !== 'ESTALE') throw error;
      return await list(attempts - 1);
    }
  }

  function release(): void {
    held?.exchange[Symbol.dispose]();
    held = undefined;
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  return {
    set: (wanted) => inTurn(() => apply(wanted)),
    counters: () => inTurn(() => list(listAttempts)),
  };
}

/** The socket of a table that was lost just now may not be closed yet, and the table with it not be gone. */
async function claimLost(name: string, operation: string, clock: Clock): Promise<Held> {
  try {
    return await claim(name, operation, clock);
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'EPERM') throw error;
    await new Promise<void>((resolve) => clock.at(plus(clock.now(), closingTime), resolve));
    return await claim(name, operation, clock);
  }
}

async function claim(name: string, operation: string, clock: Clock): Promise<Held> {
  const exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
  try {
    await exchange.ask(operation, encodeRemoveTable(name, 0));
    const flags = await makeTable(exchange, name, operation);
    return { exchange, flags, names: { chains: new Set(), counters: new Set() } };
  } catch (error) {
    exchange[Symbol.dispose]();
    throw error;
  }
}

/** Kernels before 5.12 refuse a table with flags that they do not know. */
async function makeTable(exchange: NetlinkExchange, name: string, operation: string): Promise<number> {
  try {
    await exchange.ask(operation, encodeMakeTable(name, ownerFlag));
    return ownerFlag;
  } catch (error) {
    if (!(error instanceof KernelError) || !['EINVAL', 'ENOTSUP'].includes(error.code)) throw error;
    return 0;
  }
}

/** A kernel without nf_tables has no leftover of it. */
async function removeLeftover(name: string, operation: string, clock: Clock): Promise<void> {
  try {
    using exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
    await exchange.ask(operation, encodeRemoveTable(name, 0));
  } catch (error) {
    if (!(error instanceof KernelError) || !['EPROTONOSUPPORT', 'ENOTSUP'].includes(error.code)) throw error;
  }
}
