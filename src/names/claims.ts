import type { Ip } from '../net/ip.js';

/** Which VIP of this host has which address, where names may give two the same one. */
export interface Claims {
  /** The addresses that the VIP is to have from now on, by its names. Whoever has to make room for it is told. */
  want(vip: string, ips: readonly Ip[]): void;
  /** The first of the addresses that the VIP may not have, or may not keep: one of another VIP's. Undefined: all are free for it. */
  taken(vip: string, ips: readonly Ip[], kind: 'take' | 'keep'): Ip | undefined;
  /** The addresses that the VIP has, or is about to have. Whoever waits for one that it has no more is told. */
  hold(vip: string, ips: readonly Ip[]): void;
}

interface Claim {
  readonly name: string;
  readonly written: readonly Ip[];
  wanted: readonly Ip[];
  held: readonly Ip[];
}

/**
 * A written address is its VIP's. Of two VIPs whose names have the same address, that comes first in the settings has it, whichever
 * came to it first: the nodes look up each at its own time, and would otherwise give it to different VIPs, with different elections.
 * @param onChange called with the VIPs for which something has changed
 */
export function createClaims(
  vips: readonly { readonly name: string; readonly written: readonly Ip[] }[],
  onChange: (vip: string) => void,
): Claims {
  const claims: readonly Claim[] = vips.map((vip) => ({ ...vip, wanted: [], held: [] }));

  function tell(from: string, ips: readonly Ip[]): void {
    for (const { name, held, wanted } of claims) {
      if (name !== from && [...held, ...wanted].some((ip) => ips.includes(ip))) onChange(name);
    }
  }

  function update(vip: string, change: (claim: Claim) => readonly Ip[]): void {
    const claim = claims.find(({ name }) => name === vip);
    if (claim !== undefined) tell(vip, change(claim));
  }

  return {
    want(vip, ips) {
      update(vip, (claim) => {
        const changed = difference(claim.wanted, ips);
        claim.wanted = ips;
        return changed;
      });
    },
    taken(vip, ips, kind) {
      const rank = claims.findIndex(({ name }) => name === vip);
      return ips.find((ip) =>
        claims.some(
          ({ name, written, wanted, held }, index) =>
            name !== vip &&
            (written.includes(ip) || (index < rank && wanted.includes(ip)) || (kind === 'take' && held.includes(ip))),
        ),
      );
    },
    hold(vip, ips) {
      update(vip, (claim) => {
        const gone = claim.held.filter((ip) => !ips.includes(ip));
        claim.held = ips;
        return gone;
      });
    },
  };
}

function difference(a: readonly Ip[], b: readonly Ip[]): readonly Ip[] {
  return [...a.filter((ip) => !b.includes(ip)), ...b.filter((ip) => !a.includes(ip))];
}
