import type { Daemon } from '../daemon.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { exitCodes } from './exit-codes.js';

export interface RunOptions {
  readonly start: () => Promise<Daemon>;
  readonly log: Log;
  readonly clock: Clock;
  /** Aborted by the first signal to stop; its reason is the signal's name. Further ones do not hurry the orderly stop. */
  readonly stop: AbortSignal;
  /** Aborted by the first error that nobody caught; its reason is the error. */
  readonly bug: AbortSignal;
  /** Calls the listener at every SIGHUP: the file is to be read again. */
  readonly onHangUp: (listener: () => void) => void;
  /** Calls the listener at every SIGUSR1: all that is known is to be written down. */
  readonly onDump: (listener: () => void) => void;
  /** Writes it. */
  readonly writeDump: (state: Readonly<Record<string, unknown>>) => void;
}

/** How long a stop may take that is not orderly, or cuts a start short; the kernel removes the VIP after that (dead-man's switch). */
const patience = millis(5_000);

/**
 * Starts the daemon and runs it until it is told to stop (exit code 0), or cannot go on (1; VIPs given up first). What `start` throws is
 * thrown on: nothing runs then.
 */
export async function runDaemon(options: RunOptions): Promise<number> {
  const { start, log, clock, stop, bug, onHangUp } = options;
  const stopped = aborted(stop);
  const broken = aborted(bug);
  const starting = start();
  onHangUp(() => void reloadOnceStarted(starting, stop));
  let isDumping = false;
  // Whoever asks again while one is being made gets that one.
  options.onDump(() => {
    if (isDumping) return;
    isDumping = true;
    void dumpOnceStarted(starting, options).finally(() => {
      isDumping = false;
    });
  });
  const isCutShort = await Promise.race([
    starting.then(() => false),
    stopped.then(() => true),
    broken.then(() => true),
  ]);
  const daemon = isCutShort ? await within(starting, clock) : await starting;
  if (daemon === undefined) {
    log.error('stopped before the start was done', { because: String(stop.reason ?? bug.reason) });
    return bug.aborted ? exitCodes.failed : exitCodes.ok;
  }
  const end = await Promise.race([stopped, broken, daemon.failed, daemon.finished]);
  if (end === 'finished') return exitCodes.ok;
  if (end instanceof Error) {
    log.error('cannot go on; giving up the VIPs', { error: end });
    await within(stopSafely(daemon, 'failed', log), clock);
    return exitCodes.failed;
  }
  const because = String(end);
  log.info('stopping', { because });
  // A bug on the way down must not leave the process hanging.
  const done = stopSafely(daemon, because, log);
  const isOrderly = await Promise.race([done, broken.then(() => false)]);
  if (bug.aborted) {
    log.error('an error while stopping', { error: bug.reason });
    await within(done, clock);
  }
  log.info('stopped', { because });
  return isOrderly ? exitCodes.ok : exitCodes.failed;
}

/** The daemon itself logs what came of it. One that is on its way down changes nothing any more. */
async function reloadOnceStarted(starting: Promise<Daemon>, stop: AbortSignal): Promise<void> {
  const daemon = await starting.catch(() => undefined);
  if (!stop.aborted) await daemon?.reload();
}

async function dumpOnceStarted(starting: Promise<Daemon>, { log, writeDump }: RunOptions): Promise<void> {
  const daemon = await starting.catch(() => undefined);
  if (daemon === undefined) return;
  try {
    writeDump(await daemon.dump());
  } catch (error) {
    log.error('the state cannot be dumped', { error });
  }
}

async function stopSafely(daemon: Daemon, reason: string, log: Log): Promise<boolean> {
  try {
    await daemon.stop(reason);
    return true;
  } catch (error) {
    log.error('the stop was not orderly', { error });
    return false;
  }
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}

/** The promise's value, or undefined when patience ends first. */
async function within<T>(promise: Promise<T>, clock: Clock): Promise<T | undefined> {
  let timer: Disposable | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = clock.at(plus(clock.now(), patience), () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.[Symbol.dispose]();
  }
}
