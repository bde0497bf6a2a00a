import type { Clock } from '../../time/clock.js';
import { KernelError } from '../errors.js';
import type { Redirect, Redirects } from '../ports.js';
import { type NetlinkExchange, openNetlinkExchange } from './netlink-exchange.js';
import { netlinkProtocol } from './netlink-socket.js';
import { encodeEmptyTable, encodeTable, ownerFlag } from './nft-message.js';

/** vipd's table as this process holds it: the socket that owns it, and the flags that it was made with. */
interface Table {
  readonly exchange: NetlinkExchange;
  readonly flags: number;
}

const operation = 'set nftables redirects';

/**
 * VIP:port redirected by an nftables table of this process, without the nft binary. Where the kernel lets a process own a table
 * (5.12), it ends with the process; elsewhere a leftover goes at the next daemon's first `set`.
 * `EPERM` on "table vipd" says that another living process owns it.
 *
 * Open connections outlive a change as long as a redirect of their address family is left: with the last one the kernel may stop
 * tracking connections, and then nothing translates their packets any more.
 */
export function createRedirects(clock: Clock): Redirects {
  let table: Table | undefined;
  let last: Promise<void> = Promise.resolve();

  async function apply(redirects: readonly Redirect[]): Promise<void> {
    if (table?.exchange.failed) {
      table.exchange[Symbol.dispose]();
      table = undefined;
    }
    if (redirects.length === 0) {
      if (table === undefined) return await removeLeftover(clock);
      await table.exchange.ask(operation, encodeTable([], table.flags));
      table.exchange[Symbol.dispose]();
      table = undefined;
    } else {
      table ??= await claim(clock);
      await table.exchange.ask(operation, encodeTable(redirects, table.flags));
    }
  }

  return {
    set(redirects) {
      // One after the other, in the order of the calls, whatever became of those before.
      const done = last.then(() => apply(redirects));
      last = done.catch(() => {});
      return done;
    },
  };
}

async function claim(clock: Clock): Promise<Table> {
  const exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
  try {
    await exchange.ask(operation, encodeTable([], 0));
    return { exchange, flags: await makeTable(exchange) };
  } catch (error) {
    exchange[Symbol.dispose]();
    throw error;
  }
}

/** Kernels before 5.12 refuse a table with flags that they do not know. */
async function makeTable(exchange: NetlinkExchange): Promise<number> {
  try {
    await exchange.ask(operation, encodeEmptyTable(ownerFlag));
    return ownerFlag;
  } catch (error) {
    if (!(error instanceof KernelError) || !['EINVAL', 'ENOTSUP'].includes(error.code)) throw error;
    return 0;
  }
}

/** A kernel without nf_tables has no leftover of it. */
async function removeLeftover(clock: Clock): Promise<void> {
  try {
    using exchange = openNetlinkExchange(netlinkProtocol.netfilter, clock);
    await exchange.ask(operation, encodeTable([], 0));
  } catch (error) {
    if (!(error instanceof KernelError) || !['EPROTONOSUPPORT', 'ENOTSUP'].includes(error.code)) throw error;
  }
}
