import { type Instant, millis, plus } from '../time/instant.js';
import type { Authority } from './leadership.js';
import { type Acting, lifetimeOf, refreshInterval } from './lifetime.js';
import { announced, startAnnouncing } from './schedule.js';
import type { OperationResult, Stage, VipEffect, VipEvent, VipState } from './state.js';

/** How long an answer to a probe may take on a LAN, and when to ask again a node that still had the address. */
const probeWait = millis(20);
const probeAgain = millis(50);
/** A link may be down this long before the VIP moves. */
const linkGrace = millis(1000);
const removalRetry = millis(200);
const recovery = millis(5000);
/** How long nobody may answer before a node in doubt, without the API, has the address for its own again. */
const quietTime = millis(500);
/** Refreshes may be refused this long: shorter than the shortest lifetime in use. */
const refusalGrace = millis(500);
/** RFC 5227 section 2.4 (c) defends once in 10 s; a VIP that others depend on, more often. */
const defendInterval = millis(1000);

/** A step as it is being made. */
interface Draft {
  state: VipState;
  readonly effects: VipEffect[];
}

/**
 * The life of a VIP on this node, from the election's word to what Linux does.
 * Taking it: the LAN is asked (a node that is hung, or cut from the API, may still have the address, whatever the election says),
 * then address, data path, announcements last. Giving it up: no more announcements, connections reset, address off, data path
 * closed; only then is the election told that the address is off.
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
  if (authority.kind === 'suspended') {
    // In doubt nothing is announced and nothing refreshed: what the kernel has runs out by itself.
    listen(draft, authority.contestable, now);
    return draft;
  }
  draft.state = { ...draft.state, quiet: undefined };
  if (authority.kind === 'none') giveUp(draft, now);
  else advance(draft, authority, now);
  return draft;
}

function take(draft: Draft, event: VipEvent, authority: Authority, now: Instant): void {
  switch (event.kind) {
    case 'tick':
      return;
    case 'done':
      if (event.operation === draft.state.awaited) done(draft, event.result, now);
      else if (event.operation === draft.state.refreshing) refreshed(draft, event.result, now);
      return;
    case 'address-removed':
      return addressRemoved(draft, authority, now);
    case 'link':
      return link(draft, event.up, now);
    case 'mac-changed':
      return announceAnew(draft, now);
    case 'heard':
      return heard(draft, event.what, authority, now);
    case 'contested':
      return defend(draft, now);
  }
}

function done(draft: Draft, result: OperationResult, now: Instant): void {
  const { stage, config } = draft.state;
  switch (stage.kind) {
    case 'adding':
      if (result === 'ok') return start(draft, 'open', { kind: 'opening', refreshAt: stage.refreshAt });
      if (result === 'refused') refuse(draft, now);
      return start(draft, 'remove', { kind: 'removing', retryAt: undefined });
    case 'opening':
      return enter(draft, { ...stage, kind: 'serving', schedule: startAnnouncing(config.announce, now) });
    case 'resetting':
      return start(draft, 'remove', { kind: 'removing', retryAt: undefined });
    case 'removing':
      if (result === 'ok') return start(draft, 'close', { kind: 'closing' });
      return enter(draft, { kind: 'removing', retryAt: plus(now, removalRetry) });
    case 'closing':
      return end(draft);
    default:
      return;
  }
}

function refreshed(draft: Draft, result: OperationResult, now: Instant): void {
  const { stage, failingSince } = draft.state;
  if (result !== 'refused') {
    draft.state = { ...draft.state, failingSince: undefined };
    return;
  }
  const since = failingSince ?? now;
  draft.state = { ...draft.state, failingSince: since };
  if (stage.kind !== 'opening' && stage.kind !== 'serving') return;
  if (now < plus(since, refusalGrace)) return enter(draft, { ...stage, refreshAt: plus(now, removalRetry) });
  // The address runs out, or is gone already: who announces it now attracts what cannot be served.
  refuse(draft, now);
  leave(draft);
}

/** The kernel does not take the address: another node may have better luck. */
function refuse(draft: Draft, now: Instant): void {
  draft.state = { ...draft.state, fault: 'address-refused', failingSince: undefined, recoverAt: plus(now, recovery) };
  draft.effects.push({ kind: 'able', able: false });
}

function addressRemoved(draft: Draft, authority: Authority, now: Instant): void {
  const { stage } = draft.state;
  // What we could not remove is gone all the same.
  if (stage.kind === 'removing' && stage.retryAt !== undefined) return start(draft, 'close', { kind: 'closing' });
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
  const { stage } = draft.state;
  const sure = authority.kind === 'proven';
  if (authority.kind === 'suspended') draft.state = { ...draft.state, quiet: undefined };
  if (stage.kind === 'probing' && what === 'claim') enter(draft, { ...stage, answered: true });
  const concerns = !['resetting', 'removing', 'closing'].includes(stage.kind) || authority.kind === 'suspended';
  // With proof a probe is left to the kernel's own answer, and one that answers our probe is waited for.
  if (!concerns || (sure && (what === 'probe' || stage.kind === 'probing'))) return;
  draft.effects.push({ kind: 'claimed' });
  if (sure) defend(draft, now);
}

/** Announces once more, beside the schedule; not more often than once in `defendInterval`. */
function defend(draft: Draft, now: Instant): void {
  const { stage, defendedAt } = draft.state;
  if (stage.kind !== 'serving' || (defendedAt !== undefined && now < plus(defendedAt, defendInterval))) return;
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

/** In doubt, and the API does not answer: ask the LAN. Asking is no announcement. */
function listen(draft: Draft, contestable: boolean, now: Instant): void {
  const { quiet } = draft.state;
  const late = quiet !== undefined && now > plus(quiet.nextAt, probeAgain);
  const since = quiet === undefined || late ? now : quiet.since;
  if (!contestable) {
    draft.state = { ...draft.state, quiet: undefined };
  } else if (quiet !== undefined && !late && now >= plus(since, quietTime)) {
    draft.state = { ...draft.state, quiet: undefined };
    draft.effects.push({ kind: 'unclaimed' });
  } else if (quiet === undefined || now >= quiet.nextAt) {
    draft.state = { ...draft.state, quiet: { since, nextAt: plus(now, probeAgain) } };
    draft.effects.push({ kind: 'probe' });
  }
}

function giveUp(draft: Draft, now: Instant): void {
  const { stage, isInherited } = draft.state;
  const { kind } = stage;
  if (kind === 'probing') return end(draft);
  if (isInherited || kind === 'adding' || kind === 'opening' || kind === 'serving') return leave(draft);
  retryRemoval(draft, now);
}

function advance(draft: Draft, authority: Acting, now: Instant): void {
  const { stage, fault, config } = draft.state;
  switch (stage.kind) {
    case 'off': {
      if (fault !== undefined) return;
      draft.effects.push({ kind: 'address', on: true });
      if (!config.probeFirst || draft.state.isInherited) return add(draft, authority, now);
      return probe(draft, plus(now, config.patience), now);
    }
    case 'probing':
      if (now < stage.nextAt) return;
      if (stage.answered && now < stage.patience) return probe(draft, stage.patience, now);
      if (stage.answered) draft.effects.push({ kind: 'overrule' });
      return add(draft, authority, now);
    case 'adding':
    case 'opening':
      return refresh(draft, stage, authority, now);
    case 'serving':
      return serve(draft, stage, authority, now);
    case 'removing':
      return retryRemoval(draft, now);
    case 'resetting':
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
  const lifetime = lifetimeOf(draft.state.config.deadManSwitch, authority, now) ?? millis(1000);
  const operation = nextOperation(draft);
  draft.state = { ...draft.state, awaited: operation, isInherited: false };
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
  const lifetime = lifetimeOf(draft.state.config.deadManSwitch, authority, now);
  if (lifetime !== undefined) {
    const operation = nextOperation(draft);
    draft.state = { ...draft.state, refreshing: operation };
    draft.effects.push({ kind: 'put', operation, lifetime });
  }
  enter(draft, { ...stage, refreshAt: plus(now, refreshInterval(lifetime ?? millis(1000))) });
}

function leave(draft: Draft): void {
  draft.state = { ...draft.state, isInherited: false };
  start(draft, 'reset', { kind: 'resetting' });
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

function start(draft: Draft, kind: 'open' | 'reset' | 'remove' | 'close', stage: Stage): void {
  const operation = nextOperation(draft);
  draft.state = { ...draft.state, awaited: operation };
  draft.effects.push({ kind, operation });
  enter(draft, stage);
}

function nextOperation(draft: Draft): number {
  draft.state = { ...draft.state, lastOperation: draft.state.lastOperation + 1 };
  return draft.state.lastOperation;
}

function enter(draft: Draft, stage: Stage): void {
  draft.state = { ...draft.state, stage };
}
