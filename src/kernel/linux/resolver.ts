import { lookup } from 'node:dns/promises';
import { parseIp } from '../../net/ip.js';
import type { LookupAnswer, Resolver } from '../ports.js';

/**
 * getaddrinfo(3) blocks one of the four threads that files are read with too, for as long as the dead resolvers of resolv.conf allow:
 * one look-up at a time leaves the others free. There is no cutting it short, so its answer is waited for, however late.
 */
export function createResolver(): Resolver {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    lookup(name) {
      const answer = turn.then(() => ask(name));
      turn = answer;
      return answer;
    },
  };
}

async function ask(name: string): Promise<LookupAnswer> {
  try {
    const found = await lookup(name, { all: true, verbatim: true });
    const ips = found.map(({ address }) => parseIp(address)).filter((ip) => ip !== undefined);
    return { ok: true, ips };
  } catch (error) {
    return { ok: false, code: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}
