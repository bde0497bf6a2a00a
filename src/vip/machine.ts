import { announced, startAnnouncing } from '../arp/schedule.js';
import { type Instant, type Millis, millis, plus } from '../time/instant.js';
import type { Authority } from './leadership.js';
import type { Stage, VipEffect, VipEvent, VipState } from './state.js';

/** How long an answer to a probe may take on a LAN, and when to ask again a node that still had the address. */
const probeWait = millis(20);
const probeAgain = millis(50);
/** A link may be down this long before the VIP moves. */
const linkGrace = millis(1000);
const removalRetry = millis(200);
const recovery = millis(5000);
/** RFC 5227 section 2.4 (c) defends once in 10 s; a VIP that others depend on, more often. */
const defendInterval = millis(1000);
const second = 1000;
/**
 * In seconds. The kernel looks for lifetimes that have ended up to a quarter of a second late (check_lifetime in
 * net/ipv4/devinet.c rounds its timer up to whole seconds), and takes no fractions: one second less keeps the dead-man's time.
 */
const kernelLateness = 1;

type Acting = Exclude<Authority, { kind: 'none' | 'suspended' }>;

/** A step as it is being made. */
interface Draft {
  state: VipState;
  readonly effects: VipEffect[];
}

/**
 * The life of a VIP on this node, from the election's word to what Linux does.
 * Taking it: asking the LAN (a node that is hung, or cut from the API, may still have the address whatever the election says), address, data path, announcements last. Giving it up: no more announcements, address off, data path closed; only
 * then is the election told that the address is off.
 * @param authority what the election says at `now`
 */
export function stepVip(
  state: VipState,
  event: VipEvent,
  authority: Authority,
  now: Instant,
): { readonly state: VipState; readonly effects: readonly VipEffect[] } {
  const draft: Draft = { state, effects: [] };
  take(draft, event, authority, now);
  judgeFaults(draft, now);
  if (authority.kind === 'none') giveUp(draft, now);
  else if (authority.kind !== 'suspended') advance(draft, authority, now);
  // In doubt nothing is announced and nothing refreshed: what the kernel has runs out by itself.
  return draft;
}

function take(draft: Draft, event: VipEvent, authority: Authority, now: Instant): void {
  switch (event.kind) {
    case 'tick':
      return;
    case 'done':
      if (event.operation === draft.state.awaited) done(draft, event.ok, now);
      return;
    case 'address-removed':
      return addressRemoved(draft, authority, now);
    case 'link':
      return link(draft, event.up, now);
    case 'mac-changed':
      return announceAnew(draft, now);
    case 'heard':
      return heard(draft, event.what, authority, now);
  }
}

function done(draft: Draft, ok: boolean, now: Instant): void {
  const { stage, config } = draft.state;
  switch (stage.kind) {
    case 'adding':
      if (ok) return start(draft, 'open', { kind: 'opening', refreshAt: stage.refreshAt });
      draft.state = { ...draft.state, fault: 'address-refused', recoverAt: plus(now, recovery) };
      draft.effects.push({ kind: 'able', able: false });
      return start(draft, 'remove', { kind: 'removing', retryAt: undefined });
    case 'opening':
      return enter(draft, { ...stage, kind: 'serving', schedule: startAnnouncing(config.announce, now) });
    case 'removing':
      if (ok) return start(draft, 'close', { kind: 'closing' });
      return enter(draft, { kind: 'removing', retryAt: plus(now, removalRetry) });
    case 'closing':
      return end(draft);
    default:
      return;
  }
}

function addressRemoved(draft: Draft, authority: Authority, now: Instant): void {
  const { stage } = draft.state;
  if (stage.kind !== 'serving' && stage.kind !== 'opening') return;
  if (authority.kind === 'suspended') return leave(draft);
  enter(draft, { ...stage, refreshAt: now });
  announceAnew(draft, now);
}

function link(draft: Draft, up: boolean, now: Instant): void {
  if (up === draft.state.linkUp) return;
  draft.state = { ...draft.state, linkUp: up, faultAt: up ? undefined : plus(now, linkGrace) };
  if (!up) return;
  if (draft.state.fault === 'link-down') recover(draft);
  const { stage } = draft.state;
  if (stage.kind === 'serving') enter(draft, { ...stage, refreshAt: now });
  // Whoever learnt another way to the address while the link was down must learn this one again.
  announceAnew(draft, now);
}

function announceAnew(draft: Draft, now: Instant): void {
  const { stage, config } = draft.state;
  if (stage.kind === 'serving') enter(draft, { ...stage, schedule: startAnnouncing(config.announce, now) });
}

function heard(draft: Draft, what: 'claim' | 'probe', authority: Authority, now: Instant): void {
  const { stage, defendedAt } = draft.state;
  if (stage.kind === 'probing' && what === 'claim') return enter(draft, { ...stage, answered: true });
  if (stage.kind !== 'adding' && stage.kind !== 'opening' && stage.kind !== 'serving') return;
  // With proof, the kernel's own answer to a probe is enough.
  if (what === 'probe' && authority.kind === 'proven') return;
  draft.effects.push({ kind: 'claimed' });
  const mayDefend = defendedAt === undefined || now >= plus(defendedAt, defendInterval);
  if (stage.kind !== 'serving' || authority.kind !== 'proven' || !mayDefend) return;
  draft.state = { ...draft.state, defendedAt: now };
  enter(draft, { ...stage, schedule: { ...stage.schedule, nextAt: now } });
}

function judgeFaults(draft: Draft, now: Instant): void {
  const { faultAt, recoverAt } = draft.state;
  if (faultAt !== undefined && now >= faultAt) {
    draft.state = { ...draft.state, fault: 'link-down', faultAt: undefined };
    draft.effects.push({ kind: 'able', able: false });
  }
  if (recoverAt !== undefined && now >= recoverAt && draft.state.stage.kind === 'off') {
    draft.state = { ...draft.state, recoverAt: undefined };
    if (draft.state.fault === 'address-refused') recover(draft);
  }
}

function recover(draft: Draft): void {
  draft.state = { ...draft.state, fault: undefined };
  draft.effects.push({ kind: 'able', able: true });
}

function giveUp(draft: Draft, now: Instant): void {
  const { kind } = draft.state.stage;
  if (kind === 'probing') return end(draft);
  if (kind === 'adding' || kind === 'opening' || kind === 'serving') return leave(draft);
  retryRemoval(draft, now);
}

function advance(draft: Draft, authority: Acting, now: Instant): void {
  const { stage, fault, config } = draft.state;
  switch (stage.kind) {
    case 'off': {
      if (fault !== undefined || authority.kind !== 'proven') return;
      draft.effects.push({ kind: 'address', on: true });
      return probe(draft, plus(now, config.patience), now);
    }
    case 'probing':
      if (now < stage.nextAt) return;
      if (stage.answered && now < stage.patience) return probe(draft, stage.patience, now);
      return add(draft, authority, now);
    case 'adding':
    case 'opening':
      return refresh(draft, stage, authority, now);
    case 'serving':
      return serve(draft, stage, authority, now);
    case 'removing':
      return retryRemoval(draft, now);
    case 'closing':
      return;
  }
}

function probe(draft: Draft, patience: Instant, now: Instant): void {
  const again = draft.state.stage.kind === 'probing';
  draft.effects.push({ kind: 'probe' });
  enter(draft, { kind: 'probing', nextAt: plus(now, again ? probeAgain : probeWait), patience, answered: false });
}

function add(draft: Draft, authority: Acting, now: Instant): void {
  const lifetime = lifetimeOf(draft.state, authority, now) ?? millis(second);
  const operation = draft.state.awaited + 1;
  draft.state = { ...draft.state, awaited: operation };
  draft.effects.push({ kind: 'put', operation, lifetime });
  enter(draft, { kind: 'adding', refreshAt: plus(now, refreshInterval(lifetime)) });
}

function serve(draft: Draft, stage: Stage & { kind: 'serving' }, authority: Acting, now: Instant): void {
  refresh(draft, stage, authority, now);
  if (now < stage.schedule.nextAt) return;
  draft.effects.push({ kind: 'announce' });
  const refreshed = draft.state.stage;
  if (refreshed.kind !== 'serving') return;
  enter(draft, { ...refreshed, schedule: announced(stage.schedule, draft.state.config.announce, now) });
}

function refresh(
  draft: Draft,
  stage: Stage & { kind: 'adding' | 'opening' | 'serving' },
  authority: Acting,
  now: Instant,
): void {
  if (now < stage.refreshAt) return;
  const lifetime = lifetimeOf(draft.state, authority, now);
  // Nobody waits for a refresh: one that failed is followed by the next.
  if (lifetime !== undefined) draft.effects.push({ kind: 'put', operation: 0, lifetime });
  enter(draft, { ...stage, refreshAt: plus(now, refreshInterval(lifetime ?? millis(second))) });
}

/**
 * The kernel's lifetime for the address, in whole seconds: never beyond the proof, so that it is gone from a node that dies now
 * before another may take it. Undefined when less than a second of proof is left, which the kernel cannot express; who may hold
 * the address after its proof takes one second even then.
 */
function lifetimeOf(state: VipState, authority: Acting, now: Instant): Millis | 'forever' | undefined {
  const { deadManSwitch } = state.config;
  if (deadManSwitch === 'off') return 'forever';
  const longest = Math.max(1, Math.floor(deadManSwitch / second) - kernelLateness);
  const seconds = authority.kind === 'proven' ? Math.floor((authority.until - now) / second) : longest;
  if (seconds >= 1) return millis(Math.min(longest, seconds) * second);
  return authority.kind === 'proven' && authority.thenHeld ? millis(second) : undefined;
}

function refreshInterval(lifetime: Millis | 'forever'): Millis {
  return millis(lifetime === 'forever' ? second : lifetime / 3);
}

function leave(draft: Draft): void {
  draft.effects.push({ kind: 'reset' });
  start(draft, 'remove', { kind: 'removing', retryAt: undefined });
}

function retryRemoval(draft: Draft, now: Instant): void {
  const { stage } = draft.state;
  if (stage.kind !== 'removing' || stage.retryAt === undefined || now < stage.retryAt) return;
  start(draft, 'remove', { kind: 'removing', retryAt: undefined });
}

function end(draft: Draft): void {
  enter(draft, { kind: 'off' });
  draft.effects.push({ kind: 'address', on: false });
}

function start(draft: Draft, kind: 'open' | 'remove' | 'close', stage: Stage): void {
  const operation = draft.state.awaited + 1;
  draft.state = { ...draft.state, awaited: operation };
  draft.effects.push({ kind, operation });
  enter(draft, stage);
}

function enter(draft: Draft, stage: Stage): void {
  draft.state = { ...draft.state, stage };
}
