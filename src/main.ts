#!/usr/bin/env node
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import type { Configuration } from './admin/reload.js';
import type { CliIo, Output } from './cli/command.js';
import { runCli } from './cli/index.js';
import { asHeir } from './cli/start.js';
import { supervisionIn, supervisionOf, supervisionVariables } from './supervisor/environment.js';
import { createSystemClock } from './time/system-clock.js';

// V8 lets what is newly made grow to 32 MiB before it looks which of it is still used, and does not give that back. 2 MiB do for a
// daemon: it looks more often, for less than a millisecond each.
setFlagsFromString('--semi-space-growth-factor=1');
// Every scrape leaves a few KiB until all of the heap is looked at. V8 would wait until it has doubled; it is to wait for the 8 MiB that
// are its least.
setFlagsFromString('--heap-growing-percent=10');

const version = process.env.VIPD_VERSION ?? 'unreleased';
const stop = new AbortController();
const bug = new AbortController();
const clock = createSystemClock(() => performance.now());
let isDaemon = false;
const supervision = supervisionIn(process.env, process.pid);
// Whoever this process starts is not the one that is supervised.
for (const name of supervisionVariables) delete process.env[name];

// Only the first counts: an impatient second signal must not cut the orderly stop short.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(signal));
// To the operator's mind it means "read your file again", never "end"; a command on a closed terminal ends all the same.
process.on('SIGHUP', () => {
  if (!isDaemon) stop.abort('SIGHUP');
});
// Left alone, Node opens its debugger to whoever is on this host. Of a daemon it asks for a dump.
process.on('SIGUSR1', () => {});
process.on('uncaughtException', onBug);
process.on('unhandledRejection', onBug);
// `vipd status --watch | head`: nobody reads any more. The daemon's log bears that by itself.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', () => {
    if (!isDaemon) stop.abort('EPIPE');
  });
}

const io: CliIo = {
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  stdin: process.stdin,
  environment: process.env,
  hostname: hostname(),
  version,
  clock,
  self: {
    node: process.execPath,
    script: process.argv[1] ?? '',
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
  },
  stop: stop.signal,
  startDaemon: run,
};
process.exitCode = await runCli(process.argv.slice(2), io);
// Whatever a daemon may have left open does not keep it alive once its VIPs are given up.
if (isDaemon) await end();

/** Runs the daemon to its end. What it needs is loaded here, so that other commands start at once. */
async function run(configuration: Configuration, heirTo?: string): Promise<number> {
  isDaemon = true;
  const { settings, warnings } = configuration.loaded;
  const [{ createLog }, { openLogOutput }, { createMetrics }, { runDaemon }, { startDaemon }, { dumpLine }] =
    await Promise.all([
      import('./telemetry/log.js'),
      import('./telemetry/log-output.js'),
      import('./telemetry/metrics.js'),
      import('./cli/run-daemon.js'),
      import('./daemon.js'),
      import('./dump.js'),
    ]);
  const node = settings.node.name;
  const output = openLogOutput(1, process.stdout);
  const log = createLog({ ...settings.log, node, output });
  const vips = settings.vips.map(({ name, election }) => ({
    name,
    lease: election.type === 'lease' ? election.lease.name : undefined,
  }));
  const metrics = createMetrics({ node, version, vips });
  const program = {
    version,
    searchPath: process.env.PATH ?? '',
    supervision: supervision && { ...supervision, monotonic: () => process.hrtime.bigint() / 1000n },
    pid: process.pid,
    isStopping: () => stop.signal.aborted,
    heirTo,
    heir: {
      command: (path: string) => [process.execPath, ...process.execArgv, ...asHeir(process.argv.slice(1), path)],
      environment: { ...process.env, ...supervisionOf(supervision) },
      refusal:
        process.pid === 1 || (!isInMachine() && supervision === undefined)
          ? 'vipd is in a container, which would end with this process; replace the container'
          : undefined,
    },
  };
  log.info('starting', { version, vips: vips.map(({ name }) => name) });
  for (const because of warnings) log.warn('a setting of kube-vip is otherwise here', { because });
  return runDaemon({
    start: () => startDaemon(configuration, log, metrics, program),
    log,
    clock,
    stop: stop.signal,
    bug: bug.signal,
    onHangUp: (listener) => void process.on('SIGHUP', listener),
    onDump: (listener) => void process.on('SIGUSR1', listener),
    writeDump(state) {
      // Whoever asks gets it, whatever level and format the log has.
      const head = { level: 'info', time: clock.wall().toISOString(), node, msg: 'state dump', pid: process.pid };
      const runtime = { nodejs: process.version, uptimeSeconds: process.uptime(), memory: process.memoryUsage() };
      if (!output.write(dumpLine({ ...head, runtime, ...state })))
        log.error('the state dump was lost: nobody reads the log');
    },
  });
}

/** `process.exit` joins libuv's threads, and so would wait for a look-up that hangs at dead name servers: up to 20 s. */
async function end(): Promise<never> {
  if (process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap')) {
    const { loadAddon } = await import('./kernel/linux/addon.js');
    loadAddon().exit(Number(process.exitCode));
  }
  process.exit();
}

/** Whether this is the machine's own process table, and not a container's. The inode is fixed: PROC_PID_INIT_INO (linux/proc_ns.h). */
function isInMachine(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]';
  } catch {
    return false;
  }
}

/** A mistake in the program. A daemon gives its VIPs up first; anything else ends at once. */
function onBug(thrown: unknown): void {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (isDaemon) {
    bug.abort(error);
  } else {
    process.stderr.write(`vipd: ${error.message}\n`);
    process.exit(1);
  }
}

function output(stream: NodeJS.WriteStream): Output {
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY === true };
}
