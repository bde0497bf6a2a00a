import type { Descriptor, Endpoint, Relay, RelayBackend, RelayListener, RelayStats } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { resetClients } from './reset.js';
import { sumBackends } from './sums.js';

/** A relay whose listeners go from process to process. */
export interface RelayEstate extends Relay {
  /** Listens with the sockets of the process before, where it is asked to listen at their addresses. Before the first `listen`. */
  inherit(ancestor: Ancestor): void;
  /**
   * An inherited listener takes no clients before it is given a backend for them: they are the other process's until then. From this
   * call on all take what comes, and refuse it where they have no backend.
   */
  takeAll(): void;
  /** The sockets that clients come by. The copies are the caller's to dispose. Throws KernelError. */
  sockets(): readonly (Endpoint & { readonly socket: Descriptor })[];
  /** Takes no more clients anywhere, whoever has a copy of the sockets does. Settles when that is so, or a thread is too busy to say. */
  leave(): Promise<void>;
  /** Resets what is open at an address, to one backend or all, here and in processes before; settles as `resetClients`. */
  resetAt(ip: Ip, backend?: RelayBackend): Promise<void>;
  /** What is open here, by listener. */
  remaining(): readonly Remaining[];
}

/** What is open at a listener. */
export interface Remaining extends Endpoint {
  readonly connections: number;
  readonly backends: readonly (RelayBackend & { readonly open: number })[];
}

/** The processes before, which serve what was open when their listeners went on. */
export interface Ancestor {
  readonly sockets: readonly (Endpoint & { readonly socket: Descriptor })[];
  /** As `RelayEstate.resetAt`; settles at once when those processes have ended. */
  resetAt(ip: Ip, backend?: RelayBackend): Promise<void>;
  /** What they said last. */
  remaining(): readonly Remaining[];
}

interface Entry extends Endpoint {
  readonly inner: RelayListener;
  readonly listener: RelayListener;
  isDisposed: boolean;
}

/** How often it is looked whether threads have stopped taking clients: it takes them no longer than a turn. */
const look = millis(1);
const patience = millis(500);

export function createRelayEstate(relay: Relay, clock: Clock): RelayEstate {
  const entries = new Set<Entry>();
  const held = new Map<RelayListener, () => void>();
  let ancestor: Ancestor | undefined;
  let isTaking = false;

  function inherited(at: Endpoint): RelayListener | undefined {
    if (isTaking) return undefined;
    const found = ancestor?.sockets.find(({ ip, port }) => ip === at.ip && port === at.port);
    return found && ![...entries].some(({ ip, port }) => ip === at.ip && port === at.port)
      ? relay.adopt(found.socket, at)
      : undefined;
  }

  function enter(inner: RelayListener, ip: Ip, isInherited: boolean): RelayListener {
    let resetting = 0;
    const isSame = (one: Endpoint) => one.ip === ip && one.port === inner.port;
    const listener: RelayListener = {
      port: inner.port,
      setBackends(backends, options) {
        const set = () => inner.setBackends(backends, options);
        if (isInherited && !isTaking && backends.length === 0) return void held.set(listener, set);
        held.delete(listener);
        set();
      },
      reset(backend) {
        inner.reset(backend);
        // Until this process leads, what the other has open is the other's.
        if (ancestor === undefined || !isTaking) return;
        const done = ancestor.resetAt(ip, backend);
        // Those of one backend are not counted.
        if (backend !== undefined) return;
        resetting++;
        void done.finally(() => resetting--);
      },
      stats() {
        const own = inner.stats();
        const earlier = isInherited ? (ancestor?.remaining() ?? []).filter(isSame) : [];
        // What is under way in the other process has not been carried out.
        return { ...withEarlier(own, earlier), resets: own.resets - resetting };
      },
      descriptor: () => inner.descriptor(),
      leave: () => inner.leave(),
      [Symbol.dispose]() {
        entry.isDisposed = true;
        held.delete(listener);
        // As long as the other process takes clients by it, disposing would end the socket for both.
        if (isInherited && !isTaking) inner.leave();
        else inner[Symbol.dispose]();
      },
    };
    const entry: Entry = { ip, port: inner.port, inner, listener, isDisposed: false };
    entries.add(entry);
    return listener;
  }

  /** Without those that are over. */
  function present(): readonly Entry[] {
    for (const entry of entries) {
      if (entry.isDisposed && entry.inner.stats().connections === 0) entries.delete(entry);
    }
    return [...entries];
  }

  return {
    listen(options) {
      present();
      const adopted = inherited(options);
      return enter(adopted ?? relay.listen(options), options.ip, adopted !== undefined);
    },
    adopt: (socket, at) => enter(relay.adopt(socket, at), at.ip, false),
    progress: () => relay.progress(),
    inherit(from) {
      ancestor = from;
    },
    takeAll() {
      isTaking = true;
      for (const set of held.values()) set();
      held.clear();
      for (const { ip, port, socket } of ancestor?.sockets ?? []) {
        // What nobody here listens with is no port any more: whoever comes is refused.
        if (![...entries].some((entry) => entry.ip === ip && entry.port === port))
          relay.adopt(socket, { ip, port })[Symbol.dispose]();
        socket[Symbol.dispose]();
      }
    },
    sockets() {
      const made: (Endpoint & { readonly socket: Descriptor })[] = [];
      try {
        for (const { ip, port, inner, isDisposed } of present()) {
          if (!isDisposed) made.push({ ip, port, socket: inner.descriptor() });
        }
        return made;
      } catch (error) {
        for (const { socket } of made) socket[Symbol.dispose]();
        throw error;
      }
    },
    async leave() {
      const open = present().filter(({ isDisposed }) => !isDisposed);
      for (const { inner } of open) inner.leave();
      const end = plus(clock.now(), patience);
      while (clock.now() < end && open.some(({ inner }) => inner.stats().accepts)) {
        await new Promise<void>((resolve) => clock.at(plus(clock.now(), look), resolve));
      }
    },
    async resetAt(ip, backend) {
      const own = present().filter((entry) => entry.ip === ip);
      const inners = own.map(({ inner }) => inner);
      await Promise.all([resetClients(inners, clock, backend), ancestor?.resetAt(ip, backend)]);
    },
    remaining: () =>
      present().map(({ ip, port, inner }) => {
        const { connections, backends } = inner.stats();
        const used = backends.filter(({ open }) => open > 0);
        return { ip, port, connections, backends: used.map(({ name, ip, port, open }) => ({ name, ip, port, open })) };
      }),
    [Symbol.dispose]() {
      for (const { listener, isDisposed } of entries) if (!isDisposed && !isTaking) listener[Symbol.dispose]();
      relay[Symbol.dispose]();
    },
  };
}

/** Of the processes before only what is open counts here: all else they have counted themselves, and it would be lost with them. */
function withEarlier(own: RelayStats, earlier: readonly Remaining[]): RelayStats {
  if (earlier.length === 0) return own;
  const nothing = { total: 0, failed: 0, reset: 0, bytesFromClient: 0n, bytesToClient: 0n };
  const backends = earlier.flatMap((one) => one.backends.map((backend) => ({ ...nothing, ...backend })));
  return {
    ...own,
    connections: earlier.reduce((all, { connections }) => all + connections, own.connections),
    backends: sumBackends([own, { backends }]),
  };
}
