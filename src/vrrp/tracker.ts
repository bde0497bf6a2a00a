import type { Link, Network, NetworkChange, ProgramEnd, ProgramRun, Programs } from '../kernel/ports.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Instant, type Millis, plus } from '../time/instant.js';
import { runEnded, type ScriptState, untried } from './script.js';
import { initialServing, nextServingDeadline, stepServing } from './serving.js';
import { judge, type Mark, type Verdict } from './tracking.js';

export interface TrackedInterface {
  readonly name: string;
  /** As in `Mark`. */
  readonly weight: number;
  readonly reverse: boolean;
}

export interface TrackedScript {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** From the start of one run to the start of the next. */
  readonly interval: Millis;
  readonly timeout: Millis;
  readonly rise: number;
  readonly fall: number;
  readonly weight: number;
  readonly reverse: boolean;
}

export interface TrackerConfig {
  /** The configured priority. */
  readonly priority: number;
  readonly interfaces: readonly TrackedInterface[];
  readonly scripts: readonly TrackedScript[];
  /** How much lower a router is that reaches no backend; 0: as high as ever. */
  readonly reachWeight: number;
  /** How long it takes all routers to find out about a backend: the interval of the checks. */
  readonly patience: Millis;
}

/** Watches what the priority of this router follows. */
export interface Tracker extends Disposable {
  start(): void;
  network(change: NetworkChange): void;
  /** Whether a backend is up. Never called where there are none: then that counts for nothing. */
  reaches(reaches: boolean): void;
  /** Whether this router has the VIP. */
  holds(holds: boolean): void;
  /** Tracks by other settings from now on; what stays keeps its state. */
  change(config: TrackerConfig): void;
  verdict(): Verdict;
}

interface Watched {
  script: TrackedScript;
  state: ScriptState;
  run: ProgramRun | undefined;
  timer: Disposable | undefined;
  isOver: boolean;
  /** What the log has of it. */
  said: string | undefined;
}

/** @param parts.onVerdict hears the first verdict, and every one that differs from the one before */
export function createTracker(parts: {
  readonly config: TrackerConfig;
  readonly network: Pick<Network, 'links'>;
  readonly programs: Programs;
  readonly clock: Clock;
  readonly log: Log;
  readonly onVerdict: (verdict: Verdict) => void;
}): Tracker {
  const { network, programs, clock, log } = parts;
  let { config } = parts;
  let links: readonly Link[] | undefined;
  let scripts: readonly Watched[] = [];
  let reach: boolean | undefined;
  let holder = false;
  let serving = initialServing(clock.now());
  let servingTimer: Disposable | undefined;
  let isRunning = false;
  let isTold = false;
  let verdict = judge(config.priority, marks(), undefined);

  function marks(): readonly Mark[] {
    const up = (name: string) => links?.some((link) => link.name === name && link.up);
    return [
      ...config.interfaces.map((tracked) => ({ kind: 'interface' as const, ...tracked, ok: up(tracked.name) })),
      ...scripts.map(({ script: { name, weight, reverse }, state: { ok } }) => {
        return { kind: 'script' as const, name, weight, reverse, ok };
      }),
    ];
  }

  /** Judges anew. */
  function look(): void {
    servingTimer?.[Symbol.dispose]();
    if (reach !== undefined) {
      const { patience } = config;
      serving = stepServing(serving, { serves: reach, holds: holder }, patience, clock.now());
      const deadline = nextServingDeadline(serving, patience);
      servingTimer = deadline === undefined ? undefined : clock.at(deadline, look);
    }
    const was = verdict;
    const followed = reach === undefined ? undefined : { weight: config.reachWeight, serves: serving.counts };
    verdict = judge(config.priority, marks(), followed);
    if (was.priority !== verdict.priority) {
      const because = verdict.because.join(', ') || 'as configured';
      log.info('VRRP priority', { from: was.priority, to: verdict.priority, because });
    }
    if (!isTold || differs(was, verdict)) parts.onVerdict(verdict);
    isTold = true;
  }

  function relist(): void {
    if (config.interfaces.length === 0) return;
    network.links().then(
      (listed) => {
        links = listed;
        if (isRunning) look();
      },
      (error: unknown) => log.error('cannot list interfaces', { because: String(error) }),
    );
  }

  function linkChanged(link: Link): void {
    links = [...(links ?? []).filter(({ index, name }) => index !== link.index && name !== link.name), link];
    look();
  }

  function watchScripts(): void {
    const before = scripts;
    scripts = config.scripts.map((script) => {
      const known = before.find((watched) => watched.script.name === script.name);
      if (known === undefined)
        return { script, state: untried, run: undefined, timer: undefined, isOver: false, said: undefined };
      known.script = script;
      return known;
    });
    for (const watched of before) if (!scripts.includes(watched)) end(watched);
    for (const watched of scripts) if (!before.includes(watched)) void run(watched);
  }

  function end(watched: Watched): void {
    watched.isOver = true;
    watched.timer?.[Symbol.dispose]();
    watched.run?.stop();
  }

  async function run(watched: Watched): Promise<void> {
    const { script } = watched;
    const startedAt: Instant = clock.now();
    watched.run = programs.run(script.command, script.timeout);
    const how = await watched.run.ended;
    if (watched.isOver) return;
    scriptEnded(watched, how);
    await watched.run.gone;
    watched.run = undefined;
    if (watched.isOver) return;
    const next = plus(startedAt, watched.script.interval);
    watched.timer = clock.at(next, () => void run(watched));
  }

  function scriptEnded(watched: Watched, how: ProgramEnd): void {
    const { script, state } = watched;
    watched.state = runEnded(state, script, how.kind === 'exit' && how.status === 0);
    const words = wordsOf(how);
    const { ok } = watched.state;
    const name = { script: script.name };
    if (state.ok !== ok) {
      const say = ok ? log.info : log.warn;
      say('tracked script', { ...name, from: wordOf(state), to: wordOf(watched.state), because: words });
    } else if (watched.said !== words) {
      log.info('tracked script ends otherwise', { ...name, because: words });
    }
    watched.said = words;
    look();
  }

  return {
    start() {
      isRunning = true;
      relist();
      watchScripts();
      look();
    },
    network(change) {
      if (!isRunning || config.interfaces.length === 0) return;
      if (change.kind === 'link') linkChanged(change.link);
      else if (change.kind === 'link-removed') {
        links = links?.filter(({ index }) => index !== change.index);
        look();
      } else if (change.kind === 'overrun') relist();
    },
    reaches(reaches) {
      reach = reaches;
      if (isRunning) look();
    },
    holds(holds) {
      if (holder === holds) return;
      holder = holds;
      if (isRunning) look();
    },
    change(next) {
      config = next;
      if (!isRunning) return;
      if (links === undefined) relist();
      watchScripts();
      look();
    },
    verdict: () => verdict,
    [Symbol.dispose]() {
      isRunning = false;
      servingTimer?.[Symbol.dispose]();
      for (const watched of scripts) end(watched);
    },
  };
}

function differs(a: Verdict, b: Verdict): boolean {
  return a.priority !== b.priority || a.mayPreempt !== b.mayPreempt || a.fault !== b.fault;
}

function wordOf({ ok }: ScriptState): 'untried' | 'ok' | 'failed' {
  return ok === undefined ? 'untried' : ok ? 'ok' : 'failed';
}

function wordsOf(how: ProgramEnd): string {
  switch (how.kind) {
    case 'exit':
      return `exit status ${how.status}`;
    case 'signal':
      return how.signal;
    case 'timeout':
      return 'timeout';
    case 'not-started':
      return `it cannot be run (${how.code})`;
  }
}
