import { type Ip, ipBytes } from '../net/ip.js';
import { earliest, type Instant, millis, plus } from '../time/instant.js';
import type { Authority, Leadership } from '../vip/leadership.js';
import { downInterval, skewTime, type VrrpConfig } from './config.js';
import {
  advertisedPriority,
  answerInterval,
  cededFor,
  contends,
  doubtLasts,
  downAtFrom,
  handOverPatience,
  lingerTime,
  pauseThreshold,
  resignationPatience,
  silenceAllowed,
  type VrrpEffect,
  type VrrpEvent,
  type VrrpReason,
  type VrrpRole,
  type VrrpState,
} from './state.js';

/** A step as it is being made. */
interface Draft {
  state: VrrpState;
  readonly effects: VrrpEffect[];
}

type Heard = VrrpEvent & { kind: 'heard' };
type Backup = VrrpRole & { kind: 'backup' };
type Master = VrrpRole & { kind: 'master' };

/**
 * The election by VRRP (RFC 9568 section 6.4, RFC 3768 section 6.4), with two rules more:
 * - A master that has not sent for as long as the others wait is none any more, before it sends again: they have taken over, or
 *   are about to. That is so after a pause of the process and after a link that was down.
 * - Timers are believed on `tick` only, which the driver sends when it has emptied the receive queue.
 */
export function stepVrrp(
  state: VrrpState,
  event: VrrpEvent,
  now: Instant,
): { readonly state: VrrpState; readonly effects: readonly VrrpEffect[] } {
  const draft: Draft = { state, effects: [] };
  if (state.stopped) return draft;
  if (state.cededUntil !== undefined) {
    speakOn(draft, event, state.cededUntil, now);
    return draft;
  }
  noticePause(draft, now);
  apply(draft, event, now);
  if (event.kind === 'cede') return draft;
  takePart(draft, now);
  if (event.kind === 'tick') fire(draft, now);
  const { masterUntil } = draft.state;
  if (masterUntil !== undefined && now >= masterUntil) draft.state = { ...draft.state, masterUntil: undefined };
  if (isStopped(draft.state, now)) {
    draft.state = { ...draft.state, role: { kind: 'initialize' }, stopped: true };
    draft.effects.push({ kind: 'stopped' });
  }
  return draft;
}

/** When the machine wants a tick, whatever happens. */
export function nextVrrpDeadline(state: VrrpState): Instant | undefined {
  const { role, stopping, stopped, linkUp, masterUntil, cededUntil } = state;
  if (stopped) return undefined;
  // What would be said after that is not said any more.
  if (cededUntil !== undefined)
    return role.kind === 'master' && role.advertAt <= cededUntil ? role.advertAt : undefined;
  switch (role.kind) {
    case 'initialize':
      return earliest(stopping?.giveUpAt, masterUntil);
    case 'backup':
      return linkUp ? earliest(role.downAt, role.lingersUntil) : role.lingersUntil;
    case 'master':
      return earliest(role.advertAt, stopping?.leaveAt);
    case 'resigning':
      return earliest(role.advertAt, role.giveUpAt);
  }
}

/** What the election says to the VIP. @param node this node's name */
export function vrrpLeadership(state: VrrpState, node: string): Leadership {
  const { role, because, master } = state;
  if (role.kind !== 'master') {
    const isHeir = role.kind === 'initialize' && state.masterUntil !== undefined;
    const isKept = isHeir || (role.kind === 'backup' && (role.isDoubting || role.lingersUntil !== undefined));
    const authority: Authority = isKept ? { kind: 'suspended', contestable: false } : { kind: 'none' };
    return { role: 'follower', leader: master?.source, because, authority };
  }
  const until = plus(role.sentAt, silenceAllowed(state));
  return { role: 'leader', leader: node, because, authority: { kind: 'proven', until, thenHeld: true } };
}

function noticePause(draft: Draft, now: Instant): void {
  const { role, linkUp } = draft.state;
  if (role.kind === 'master' && now > plus(role.sentAt, silenceAllowed(draft.state))) {
    return becomeBackup(draft, linkUp ? 'paused' : 'link-down', now, true);
  }
  if (role.kind === 'resigning' && now > plus(role.sentAt, silenceAllowed(draft.state))) {
    return enter(draft, { kind: 'initialize' }, draft.state.because);
  }
  if (role.kind !== 'backup') return;
  const patience = downInterval(draft.state.config.version, draft.state.priority, role.masterInterval);
  if (now <= plus(role.downAt, millis(Math.max(patience, pauseThreshold)))) return;
  enter(draft, { ...role, downAt: plus(now, patience) }, draft.state.because);
}

function apply(draft: Draft, event: VrrpEvent, now: Instant): void {
  const { state } = draft;
  switch (event.kind) {
    case 'tick':
      return;
    case 'start':
      draft.state = { ...state, started: true, masterUntil: event.masterUntil };
      return;
    case 'heard':
      return heard(draft, event, now);
    case 'sent':
      if (state.role.kind === 'master' || state.role.kind === 'resigning')
        draft.state = { ...state, role: { ...state.role, sentAt: now } };
      return;
    case 'tracked':
      draft.state = { ...state, priority: event.priority, mayPreempt: event.mayPreempt };
      return;
    case 'configured':
      return configured(draft, event.config, now);
    case 'source':
      draft.state = { ...state, source: event.source };
      return;
    case 'fault':
      draft.state = { ...state, fault: event.fault };
      return;
    case 'link':
      return link(draft, event.up, now);
    case 'claimed':
      return endLingering(draft);
    case 'address':
      draft.state = { ...state, addressOn: event.on };
      return;
    case 'stop':
      return stop(draft, now);
    case 'cede':
      draft.state = { ...state, cededUntil: plus(now, cededFor) };
      return;
    case 'replaced':
      return;
  }
}

/**
 * Has ceded. A master is heard by the others until the process that goes on here advertises, which is as new as a process can be and
 * may need several intervals for its first word. Two that say the same from one address are one router. Others say nothing.
 */
function speakOn(draft: Draft, event: VrrpEvent, until: Instant, now: Instant): void {
  const { state } = draft;
  const { role } = state;
  const isMaster = role.kind === 'master' && now <= plus(role.sentAt, silenceAllowed(state));
  if (event.kind === 'replaced') return end(draft);
  if (event.kind === 'stop') {
    // Nobody went on here. Whoever has taken over meanwhile is another master, whom this must not tell that he resigns.
    if (isMaster) draft.effects.push({ kind: 'advertise', priority: 0 });
    draft.state = { ...state, stopping: { leaveAt: now, giveUpAt: now } };
    return end(draft);
  }
  if (role.kind !== 'master') return;
  if (event.kind === 'sent') draft.state = { ...state, role: { ...role, sentAt: now } };
  if (event.kind !== 'tick') return;
  // After a pause others have taken over, or are about to.
  if (!isMaster) draft.state = { ...state, role: { kind: 'initialize' } };
  else if (now > until) draft.state = { ...state, role: { ...role, advertAt: plus(until, millis(1)) } };
  else if (now >= role.advertAt) advertise(draft, { ...role, advertAt: nextAdvert(draft, role.advertAt, now) });
}

function end(draft: Draft): void {
  draft.state = { ...draft.state, stopped: true };
  draft.effects.push({ kind: 'stopped' });
}

function stop(draft: Draft, now: Instant): void {
  const { state } = draft;
  if (state.stopping !== undefined) return;
  const leaveAt = plus(now, state.role.kind === 'master' ? handOverPatience(state) : millis(0));
  draft.state = { ...state, stopping: { leaveAt, giveUpAt: plus(leaveAt, resignationPatience) } };
  const { role } = draft.state;
  if (role.kind === 'master' && leaveAt > now) {
    advertise(draft, { ...role, advertAt: plus(now, state.config.advertInterval) });
  }
}

/** A master says at once what is new, so that the others wait for its next advertisement as long as it takes. */
function configured(draft: Draft, config: VrrpConfig, now: Instant): void {
  const { role } = draft.state;
  draft.state = { ...draft.state, config };
  if (role.kind === 'master') advertise(draft, { ...role, advertAt: plus(now, config.advertInterval) });
}

function link(draft: Draft, up: boolean, now: Instant): void {
  const { linkUp, role } = draft.state;
  draft.state = { ...draft.state, linkUp: up };
  // While it was down nothing could be heard: what silence there was means nothing.
  if (up && !linkUp && role.kind === 'backup') {
    draft.state = { ...draft.state, role: { ...role, downAt: downAtFrom(draft.state, role.masterInterval, now) } };
  }
}

function heard(draft: Draft, event: Heard, now: Instant): void {
  const { role, master } = draft.state;
  // One router, one name, in however many families it speaks.
  if (event.priority > 0 && (event.isMain || master === undefined)) {
    draft.state = { ...draft.state, master: { source: event.source, priority: event.priority } };
  }
  switch (role.kind) {
    case 'initialize':
      return;
    case 'backup':
      return heardAsBackup(draft, { ...role, isDoubting: false }, event, now);
    case 'master':
      return heardAsMaster(draft, role, event, now);
    case 'resigning':
      if (yieldsTo(draft.state, event) !== undefined) enter(draft, { kind: 'initialize' }, draft.state.because);
      return;
  }
}

/** RFC 9568 section 6.4.2. */
function heardAsBackup(draft: Draft, role: Backup, event: Heard, now: Instant): void {
  const { state } = draft;
  const { config, priority, mayPreempt } = state;
  if (event.priority === 0) {
    const downAt = plus(now, skewTime(config.version, priority, role.masterInterval));
    return enter(draft, { ...role, downAt, silence: 'master-resigned' }, state.because);
  }
  const isLower = event.priority < priority;
  const preemptAt =
    isLower && config.preempt && mayPreempt ? (role.preemptAt ?? plus(now, config.preemptDelay)) : undefined;
  if (preemptAt !== undefined && now >= preemptAt) {
    // Ignored: what is left of the timer runs out.
    return enter(draft, { ...role, preemptAt, silence: 'lower-priority-master' }, 'held-by-other');
  }
  const masterInterval = config.version === 3 ? event.interval : config.advertInterval;
  const downAt = downAtFrom(state, masterInterval, now);
  enter(draft, { ...role, masterInterval, downAt, preemptAt, silence: 'master-silent' }, 'held-by-other');
}

/** RFC 9568 section 6.4.3. */
function heardAsMaster(draft: Draft, role: Master, event: Heard, now: Instant): void {
  const { state } = draft;
  if (event.priority === 0) {
    answer(draft, role, now);
    return;
  }
  const because = yieldsTo(state, event);
  if (because !== undefined) {
    const masterInterval = state.config.version === 3 ? event.interval : state.config.advertInterval;
    becomeBackup(draft, because, now, false, masterInterval);
    const { role: backup } = draft.state;
    if (backup.kind === 'backup') enter(draft, { ...backup, lingersUntil: plus(now, lingerTime(state)) }, because);
    return;
  }
  // Of equal ones the main family decides; the other says nothing that it would not say too.
  if (event.priority === advertisedPriority(state) && !event.isMain) return;
  if (!answer(draft, role, now)) return;
  draft.effects.push({ kind: 'contested' });
}

/** Why a master gives way to who sent this; undefined when it does not. */
function yieldsTo(state: VrrpState, event: Heard): VrrpReason | undefined {
  const { source } = state;
  const priority = advertisedPriority(state);
  if (event.priority > priority) return 'higher-priority-heard';
  const isTie = event.priority === priority && event.isMain && source !== undefined;
  return isTie && isHigher(event.source, source) ? 'tie-lost' : undefined;
}

/** Whether the first address is the higher one, read as a number (RFC 9568 section 6.4.3). Both are of one family. */
function isHigher(a: Ip, b: Ip): boolean {
  const other = ipBytes(b);
  const bytes = ipBytes(a);
  const first = bytes.findIndex((byte, i) => byte !== other[i]);
  return first >= 0 && (bytes[first] ?? 0) > (other[first] ?? 0);
}

/** Advertises at once, unless that was done a moment ago; whether it was now. */
function answer(draft: Draft, role: Master, now: Instant): boolean {
  if (now < plus(role.sentAt, answerInterval)) return false;
  advertise(draft, { ...role, advertAt: plus(now, draft.state.config.advertInterval) });
  return true;
}

/** Begins to take part, or ends it. */
function takePart(draft: Draft, now: Instant): void {
  const { state } = draft;
  const { role } = state;
  if (role.kind === 'resigning') {
    if (!state.addressOn) resign(draft);
    return;
  }
  if (contends(state, now)) {
    if (role.kind !== 'initialize') return;
    const { masterUntil } = state;
    draft.state = { ...state, masterUntil: undefined };
    if (masterUntil !== undefined && now < masterUntil && state.linkUp) return becomeMaster(draft, 'handed-over', now);
    if (state.priority === 255 && state.linkUp) return becomeMaster(draft, 'owner', now);
    return becomeBackup(draft, 'starting', now, false);
  }
  if (!state.started) return;
  const because = state.stopping !== undefined ? 'stopping' : (state.fault ?? 'no-source-address');
  if (role.kind === 'backup' && role.lingersUntil !== undefined && state.stopping !== undefined) return;
  if (role.kind !== 'master') return enter(draft, { kind: 'initialize' }, because);
  enter(draft, { ...role, kind: 'resigning', giveUpAt: plus(now, resignationPatience) }, because);
  if (!state.addressOn) resign(draft);
}

/** The new holder has announced the VIP, or has had the time to. */
function endLingering(draft: Draft): void {
  const { role, because } = draft.state;
  if (role.kind === 'backup') enter(draft, { ...role, lingersUntil: undefined }, because);
}

/** The address is off: another may have it (RFC 9568 section 6.4.3, Shutdown). */
function resign(draft: Draft): void {
  draft.effects.push({ kind: 'advertise', priority: 0 });
  enter(draft, { kind: 'initialize' }, draft.state.because);
}

/** The timers. */
function fire(draft: Draft, now: Instant): void {
  const { role, linkUp } = draft.state;
  switch (role.kind) {
    case 'initialize':
      return;
    case 'backup':
      if (role.lingersUntil !== undefined && now >= role.lingersUntil) endLingering(draft);
      if (linkUp && now >= role.downAt) becomeMaster(draft, role.silence, now);
      return;
    case 'resigning':
      if (now >= role.giveUpAt) return enter(draft, { kind: 'initialize' }, draft.state.because);
      if (now >= role.advertAt) advertise(draft, { ...role, advertAt: nextAdvert(draft, role.advertAt, now) });
      return;
    case 'master':
      if (now >= role.advertAt) advertise(draft, { ...role, advertAt: nextAdvert(draft, role.advertAt, now) });
      return;
  }
}

/** In step with the ones before, so that lateness does not add up; but no two at once. */
function nextAdvert(draft: Draft, advertAt: Instant, now: Instant): Instant {
  const { advertInterval } = draft.state.config;
  const next = plus(advertAt, advertInterval);
  return next > now ? next : plus(now, advertInterval);
}

function advertise(draft: Draft, role: Exclude<VrrpRole, { kind: 'initialize' | 'backup' }>): void {
  draft.state = { ...draft.state, role };
  const priority = advertisedPriority(draft.state);
  if (draft.state.linkUp) draft.effects.push({ kind: 'advertise', priority });
}

function becomeMaster(draft: Draft, because: VrrpReason, now: Instant): void {
  const advertAt = plus(now, draft.state.config.advertInterval);
  enter(draft, { kind: 'master', advertAt, sentAt: now }, because);
  draft.effects.push({ kind: 'advertise', priority: draft.state.priority });
}

function becomeBackup(
  draft: Draft,
  because: VrrpReason,
  now: Instant,
  isDoubting: boolean,
  masterInterval = draft.state.config.advertInterval,
): void {
  const downAt = isDoubting ? plus(now, doubtLasts(draft.state)) : downAtFrom(draft.state, masterInterval, now);
  const silence = 'master-silent' as const;
  enter(
    draft,
    { kind: 'backup', masterInterval, downAt, silence, preemptAt: undefined, isDoubting, lingersUntil: undefined },
    because,
  );
}

function isStopped({ stopping, role, addressOn }: VrrpState, now: Instant): boolean {
  if (stopping === undefined || role.kind === 'resigning') return false;
  return !addressOn || now >= stopping.giveUpAt;
}

function enter(draft: Draft, role: VrrpRole, because: VrrpReason): void {
  draft.state = { ...draft.state, role, because };
}
