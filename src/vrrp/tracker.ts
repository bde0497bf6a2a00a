import type { Link, Network, NetworkChange, ProgramEnd, ProgramRun, Programs } from '../kernel/ports.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Instant, type Millis, millis, plus } from '../time/instant.js';
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
  /** Came with other settings, while this router takes part: it counts as well until it has ended once. */
  readonly isLate: boolean;
  /** What the log has of it, and since when. */
  said: string | undefined;
  saidAt: Instant;
}

/** Starting a program holds the daemon up for some milliseconds: they start one after the other, and stay apart. */
const spacing = millis(25);
/** How often the log has that a script fails in another way than before. */
const sayAgain = millis(60_000);

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
  /** Of links, counted. */
  let news = 0;
  let verdict = judge(config.priority, marks(), undefined);

  function marks(): readonly Mark[] {
    const up = (name: string) => links?.some((link) => link.name === name && link.up);
    return [
      ...config.interfaces.map((tracked) => ({ kind: 'interface' as const, ...tracked, ok: up(tracked.name) })),
      ...scripts.map(({ script: { name, weight, reverse }, state, isLate }) => {
        const ok = state.ok ?? (isLate && weight === 0 ? !reverse : undefined);
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
    const because = verdict.because.join(', ');
    if (was.because.join(', ') !== because) {
      const say = verdict.fault === undefined ? log.info : log.warn;
      say('VRRP priority', { from: was.priority, to: verdict.priority, because: because || 'as configured' });
    }
    if (!isTold || differs(was, verdict)) parts.onVerdict(verdict);
    isTold = true;
  }

  function relist(): void {
    const asked = news;
    network.links().then(
      (listed) => {
        if (!isRunning) return;
        // What was heard meanwhile may be newer than the list, or older.
        if (asked !== news) return relist();
        links = listed;
        look();
      },
      (error: unknown) => log.error('cannot list interfaces', { because: String(error) }),
    );
  }

  function linksChanged(changed: (known: readonly Link[]) => readonly Link[]): void {
    news++;
    if (links === undefined) return;
    links = changed(links);
    look();
  }

  function watchScripts(): void {
    const before = scripts;
    scripts = config.scripts.map((script) => {
      const known = before.find((watched) => watched.script.name === script.name);
      if (known === undefined) return watchedOf(script);
      known.script = script;
      return known;
    });
    for (const watched of before) if (!scripts.includes(watched)) end(watched);
    scripts
      .filter((watched) => !before.includes(watched))
      .forEach((watched, i) => {
        const at = plus(clock.now(), millis(i * spacing));
        watched.timer = clock.at(at, () => void run(watched));
      });
  }

  function watchedOf(script: TrackedScript): Watched {
    const runs = { run: undefined, timer: undefined, isOver: false };
    return { script, state: untried, isLate: isTold, said: undefined, saidAt: clock.now(), ...runs };
  }

  function end(watched: Watched): void {
    watched.isOver = true;
    watched.timer?.[Symbol.dispose]();
    watched.run?.kill();
  }

  async function run(watched: Watched): Promise<void> {
    const { script } = watched;
    const startedAt: Instant = clock.now();
    watched.run = programs.run(script.command, script.timeout, 'nothing');
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
    } else if (watched.said === words || clock.now() < plus(watched.saidAt, sayAgain)) {
      return;
    } else {
      log.info('tracked script ends otherwise', { ...name, because: words });
    }
    watched.said = words;
    watched.saidAt = clock.now();
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
      if (!isRunning) return;
      if (change.kind === 'link') {
        const { link } = change;
        linksChanged((known) => [
          ...known.filter(({ index, name }) => index !== link.index && name !== link.name),
          link,
        ]);
      } else if (change.kind === 'link-removed') {
        linksChanged((known) => known.filter(({ index }) => index !== change.index));
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
