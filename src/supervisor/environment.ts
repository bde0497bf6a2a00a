import { type Millis, millis } from '../time/instant.js';

/** How the supervisor wants to be told about this process. */
export interface Supervision {
  /** The Unix socket that it listens on; one that begins with `@` is abstract. */
  readonly socket: string;
  /** It kills a process from which it has not heard for so long. */
  readonly watchdog: Millis | undefined;
}

/** The variables of sd_notify(3) and sd_watchdog_enabled(3). They are for one process: whoever reads them takes them away. */
export const supervisionVariables = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/** For a process that is supervised in this one's place. */
export function supervisionOf(supervision: Supervision | undefined): Readonly<Record<string, string>> {
  if (supervision === undefined) return {};
  const { socket, watchdog } = supervision;
  return { NOTIFY_SOCKET: socket, ...(watchdog === undefined ? {} : { WATCHDOG_USEC: String(watchdog * 1000) }) };
}

/** Undefined when nobody supervises the process with this id: without the variables, or when they are another process's. */
export function supervisionIn(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): Supervision | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: interval, WATCHDOG_PID: watched } = environment;
  // Other kinds of sockets (vsock) are those of a machine that tells its host.
  if (socket === undefined || !/^[/@]./.test(socket)) return undefined;
  if (watched !== undefined && watched !== String(pid)) return undefined;
  const micros = /^[1-9]\d{0,15}$/.test(interval ?? '') ? Number(interval) : undefined;
  return { socket, watchdog: micros === undefined ? undefined : millis(micros / 1000) };
}
