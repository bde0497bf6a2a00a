import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { Family } from '../../net/ip.js';
import { KernelError } from '../errors.js';
import type { KernelRefusal, RelayBackend, RelayStats, Weighted } from '../ports.js';

/** What JavaScript holds of an object of the addon. */
export type Handle = object & { readonly __brand: 'Handle' };

/** The functions of native/addon.c. They throw an Error with the operation as message and the kernel's `errno`. */
export interface Addon {
  /** CLOCK_BOOTTIME in milliseconds, with fractions. */
  boottime(): number;
  packetOpen(
    ifindex: number,
    etherType: number,
    groups: readonly Uint8Array[],
    onFrame: (frame: Uint8Array) => void,
    onError: (error: Error) => void,
  ): Handle;
  packetSend(socket: Handle, frame: Uint8Array): void;
  packetClose(socket: Handle): void;
  /** Sends whole IP packets; their source may be any address. Returns how many the kernel took. */
  rawSend(packets: readonly Uint8Array[]): number;
  /** @param group whether to join VRRP's multicast group on the interface */
  vrrpOpen(
    ifindex: number,
    family: Family,
    virtualRouterId: number,
    group: boolean,
    onPacket: (packet: Uint8Array) => void,
    onError: (error: Error) => void,
  ): Handle;
  /** Sends one whole IP packet. */
  vrrpSend(socket: Handle, packet: Uint8Array): void;
  /** Calls `onPacket` for what has been received until now. */
  vrrpDrain(socket: Handle): void;
  vrrpClose(socket: Handle): void;
  routeOpen(onDatagram: (datagram: Uint8Array) => void, onError: (error: Error) => void): Handle;
  /** No callback runs after this returns. Closing twice is fine. */
  routeClose(socket: Handle): void;
  relayCreate(threads: number): Handle;
  relayDispose(relay: Handle): void;
  relayTurns(relay: Handle): readonly number[];
  relayListen(relay: Handle, ip: string, port: number, freebind: boolean): Handle;
  relayAdopt(relay: Handle, descriptor: Handle, ip: string, port: number): Handle;
  relayDescriptor(listener: Handle): Handle;
  relayLeave(listener: Handle): void;
  relayPort(listener: Handle): number;
  relaySetBackends(
    listener: Handle,
    backends: readonly (RelayBackend & Weighted)[],
    connectTimeout: number,
    leastConnections: boolean,
    proxyProtocol: boolean,
  ): void;
  relayReset(listener: Handle, backend: RelayBackend | undefined): void;
  relayStats(listener: Handle): RelayStats;
  relayUnlisten(listener: Handle): void;
  /** Sends one datagram to a Unix socket, at once or not at all; a path that begins with `@` is abstract. */
  unixSend(path: string, datagram: Uint8Array): void;
  /** Ends the process at once (_exit(2)), whatever its threads are doing. */
  exit(code: number): never;
  /** Takes an abstract name of the network namespace (unix(7)), without its NUL, for as long as a copy of the descriptor is open. */
  hostLock(name: string): Handle;
  channelListen(path: string, onPeer: (descriptor: Handle) => void, onError: (error: Error) => void): Handle;
  /** A descriptor for `channelOpen`. */
  channelConnect(path: string): Handle;
  channelOpen(
    descriptor: Handle,
    onMessage: (message: { readonly payload: Uint8Array; readonly descriptors: readonly Handle[] }) => void,
    onError: (error: Error) => void,
  ): Handle;
  channelSend(channel: Handle, payload: Uint8Array, descriptors: readonly Handle[]): void;
  /** Of listening ones too. No callback runs after this returns. Closing twice is fine. */
  channelClose(channel: Handle): void;
  descriptorClose(descriptor: Handle): void;
}

/**
 * Loads the addon: the prebuilt one that came with the package, else the one compiled at installation.
 * Throws one sentence that says what is missing and how to mend it.
 * @param root the package's folder
 */
export function loadAddon(root: string = packageRoot(import.meta.dirname)): Addon {
  const machine = `${platform()}-${arch()}`;
  const require = createRequire(join(root, 'package.json'));
  const reasons: string[] = [];
  for (const path of [`prebuilds/${machine}/vipd.node`, 'native/build/vipd.node']) {
    if (!existsSync(join(root, path))) {
      reasons.push(`${path} does not exist`);
      continue;
    }
    try {
      return require(join(root, path));
    } catch (error) {
      reasons.push(`${path} does not load (${firstLine(error)})`);
    }
  }
  throw new Error(
    `vipd has no native addon for ${machine} in ${root}: ${reasons.join(', ')}; install a C compiler ` +
      '(Debian: apt-get install gcc libc6-dev) and run "node scripts/install-native.mjs" there',
  );
}

/** Calls the addon; what the kernel refuses becomes a KernelError that names `where`. */
export function orKernelError<T>(where: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw kernelError(error, where);
  }
}

/** The refusal behind an error that the addon threw; `where` is what it was about. Other errors are bugs and pass as they are. */
export function kernelError(error: unknown, where: string): unknown {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return error;
  return new KernelError(`${error.message} on ${where}`, getSystemErrorName(-error.errno), { cause: error });
}

/** Hands on what a socket of the addon is closed by; `where` is what it was about. Other errors are bugs and thrown. */
export function refusalTo(onError: (refusal: KernelRefusal) => void, where: string): (error: Error) => void {
  return (error) => {
    const refused = kernelError(error, where);
    if (!(refused instanceof KernelError)) throw refused;
    onError(refused);
  };
}

/** The nearest folder upwards that holds vipd's package.json: one above the bundle, some above compiled tests. */
function packageRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (isPackageRoot(at)) return at;
    if (dirname(at) === at) return dirname(folder);
  }
}

function isPackageRoot(folder: string): boolean {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name === 'vipd';
  } catch {
    return false;
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
}
