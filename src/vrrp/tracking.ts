import type { VrrpFault } from './state.js';

/** What of this host a router's priority follows. */
export interface Mark {
  readonly kind: 'interface' | 'script';
  readonly name: string;
  /** -253 to 253; 0: without it this router does not take part at all. */
  readonly weight: number;
  readonly reverse: boolean;
  /** Undefined: not known yet. */
  readonly ok: boolean | undefined;
}

/** Whether this node reaches a backend, and how much the priority falls while it does not. */
export interface Reach {
  readonly weight: number;
  readonly serves: boolean;
}

/** What tracking makes of the configured priority. */
export interface Verdict {
  readonly priority: number;
  /** Whether a router of lower priority may be relieved: not by one that could not serve either. */
  readonly mayPreempt: boolean;
  readonly fault: VrrpFault | undefined;
  /** What is a fault, and what changes the priority: `interface eth1: down or not there`, `script check: -2`. */
  readonly because: readonly string[];
}

/** Who owns the addresses always has 255, and nobody else ever (RFC 9568 section 5.2.4). */
const owner = 255;

/**
 * keepalived's arithmetic (keepalived.conf(5), vrrp_script and track_interface): a positive weight is added while all is well, a
 * negative one is added while it is not, `reverse` turns the sign round, and weight 0 is a fault. What is not known yet counts for
 * nothing, except that with weight 0 it is waited for. Beyond that, a node that reaches no backend is `reach.weight` lower; that is
 * never a fault, because when no node reaches one, one of them must have the VIP all the same.
 * @param base the configured priority
 */
export function judge(base: number, marks: readonly Mark[], reach: Reach | undefined): Verdict {
  const terms = marks.map((mark) => ({ words: `${mark.kind} ${mark.name}`, sum: termOf(mark) }));
  const isLowered = reach !== undefined && reach.weight > 0 && !reach.serves;
  if (isLowered) terms.push({ words: 'no backend up', sum: -reach.weight });
  const counting = base === owner ? [] : terms.filter(({ sum }) => sum !== 0);
  const total = counting.reduce((all, { sum }) => all + sum, base);
  const missing = marks.filter(isFaulty).map(({ kind, name }) => `${kind} ${name}: ${faultWords[kind]}`);
  return {
    priority: base === owner ? owner : Math.min(owner - 1, Math.max(1, total)),
    mayPreempt: !isLowered,
    fault: faultOf(marks),
    because: [...missing, ...counting.map(({ words, sum }) => `${words}: ${sum > 0 ? '+' : ''}${sum}`)],
  };
}

function termOf({ ok, weight, reverse }: Mark): number {
  if (ok === undefined || weight > 0 !== ok) return 0;
  return reverse ? -weight : weight;
}

const faultWords = { interface: 'down or not there', script: 'failed' } as const;

function isFaulty({ weight, ok, reverse }: Mark): boolean {
  return weight === 0 && ok === reverse;
}

function faultOf(marks: readonly Mark[]): VrrpFault | undefined {
  const failed = marks.find(isFaulty);
  if (failed !== undefined) return failed.kind === 'script' ? 'tracked-script-failed' : 'tracked-interface-down';
  return marks.some(({ weight, ok }) => weight === 0 && ok === undefined) ? 'tracking-unknown' : undefined;
}
