import { lookup } from 'node:dns/promises';
import { parseIp } from '../../net/ip.js';
import type { Clock } from '../../time/clock.js';
import { plus } from '../../time/instant.js';
import type { LookupAnswer, Resolver } from '../ports.js';

/**
 * getaddrinfo(3) blocks one of the four threads that files are read with too, for as long as the dead resolvers of resolv.conf allow:
 * one look-up at a time leaves the others free.
 */
export function createResolver(clock: Clock): Resolver {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    async lookup(name, timeout) {
      let timer: Disposable | undefined;
      let isLate = false;
      const late = new Promise<LookupAnswer>((resolve) => {
        timer = clock.at(plus(clock.now(), timeout), () => {
          isLate = true;
          resolve({ ok: false, code: 'timeout' });
        });
      });
      const answer = turn.then(() => (isLate ? undefined : ask(name)));
      turn = answer;
      const first = await Promise.race([answer, late]);
      timer?.[Symbol.dispose]();
      return first ?? { ok: false, code: 'timeout' };
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
