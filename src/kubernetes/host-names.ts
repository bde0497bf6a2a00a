import type { LookupFunction } from 'node:net';
import type { LookupAnswer, Resolver } from '../kernel/ports.js';
import { familyOf, type Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { type Instant, millis, plus } from '../time/instant.js';
import { inTime } from './in-time.js';

/** How long anybody waits for a look-up: less than the shortest call, that of a start, which asks its own API server too. */
const patience = millis(800);
/** A resolver that had no answer is left alone for this time by a name whose addresses are known. */
const pause = millis(5_000);

/** The names of API servers. The last answer counts as long as there is no other, however late that comes. */
export interface HostNames {
  /** Waits for at most 0.8 s, and not at all behind a look-up that somebody has waited for in vain. */
  find(host: string): Promise<LookupAnswer>;
  /** The same for sockets. */
  readonly lookup: LookupFunction;
}

interface Name {
  ips: readonly Ip[] | undefined;
  /** Why the latest look-up gave nothing. */
  trouble: string;
  asking: { readonly done: Promise<void>; readonly waitUntil: Instant } | undefined;
  againAt: Instant;
}

export function createHostNames(resolver: Resolver, clock: Clock): HostNames {
  const names = new Map<string, Name>();

  function nameOf(host: string): Name {
    const name = names.get(host) ?? { ips: undefined, trouble: 'timeout', asking: undefined, againAt: clock.now() };
    names.set(host, name);
    return name;
  }

  async function ask(host: string, name: Name): Promise<void> {
    const answer = await resolver.lookup(host);
    name.asking = undefined;
    if (answer.ok && answer.ips.length > 0) {
      name.ips = answer.ips;
      return;
    }
    name.trouble = answer.ok ? 'no address' : answer.code;
    if (name.ips !== undefined) name.againAt = plus(clock.now(), pause);
  }

  async function find(host: string): Promise<LookupAnswer> {
    const name = nameOf(host);
    if (clock.now() >= name.againAt) {
      name.asking ??= { done: ask(host, name), waitUntil: plus(clock.now(), patience) };
      const { done, waitUntil } = name.asking;
      if (clock.now() < waitUntil) await inTime(clock, waitUntil, done);
    }
    return name.ips === undefined ? { ok: false, code: name.trouble } : { ok: true, ips: name.ips };
  }

  return {
    find,
    lookup(host, options, callback) {
      void find(host).then((answer) => {
        const ips = answer.ok ? answer.ips : [];
        const all = ips.map((ip) => ({ address: ip as string, family: familyOf(ip) }));
        const wanted = all.filter(({ family }) => !options.family || options.family === family);
        const [first] = wanted;
        if (first === undefined) {
          const code = answer.ok ? 'ENOTFOUND' : answer.code;
          callback(Object.assign(new Error(`the name ${host} has no address (${code})`), { code }), '', 0);
        } else if (options.all) callback(null, wanted);
        else callback(null, first.address, first.family);
      });
    },
  };
}
