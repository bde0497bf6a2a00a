import { KernelError } from '../../src/kernel/errors.js';
import {
  type InterfaceAddress,
  type Link,
  type Network,
  type NetworkChange,
  type VirtualAddress,
  vipdAddressProtocol,
} from '../../src/kernel/ports.js';
import type { Family, Ip } from '../../src/net/ip.js';
import type { Clock } from '../../src/time/clock.js';
import { type Instant, millis, plus } from '../../src/time/instant.js';

/** A host's addresses and interfaces in memory. What the port does not offer is what others do to the host. */
export interface FakeNetwork extends Network {
  /** Adds an interface or changes it (up, down, renamed). */
  setLink(link: Link): void;
  removeLink(index: number): void;
  setDefaultRoute(family: Family, link: number | undefined): void;
  /** Someone else adds an address. */
  addAddress(address: InterfaceAddress): void;
  /** Someone else deletes an address. */
  deleteAddress(ip: Ip, link: number): void;
  /** The kernel drops notifications. */
  overrun(): void;
  /** While set, putting an address is refused with this code. */
  refusePut: string | undefined;
  /** What is on the host now. */
  held(ip: Ip): InterfaceAddress | undefined;
  /** Every request of the port that changes something, in order. */
  readonly requests: readonly FakeRequest[];
}

export interface FakeRequest {
  readonly at: Instant;
  readonly kind: 'put' | 'remove';
  readonly ip: Ip;
  readonly link: number;
}

interface Entry {
  readonly address: InterfaceAddress;
  /** undefined: forever. */
  readonly expires: Instant | undefined;
}

/** The kernel's own time runs on during `clock.freeze()`: addresses expire while the process is stopped. */
export function createFakeNetwork(clock: Clock, given: readonly Link[]): FakeNetwork {
  const links = new Map(given.map((link) => [link.index, link]));
  const entries = new Map<string, Entry>();
  const routes = new Map<Family, number>();
  const watchers = new Set<(change: NetworkChange) => void>();
  const requests: FakeRequest[] = [];

  function report(change: NetworkChange) {
    for (const watcher of watchers) {
      queueMicrotask(() => {
        if (watchers.has(watcher)) watcher(change);
      });
    }
  }

  function expire() {
    for (const [key, { address, expires }] of entries) {
      if (expires !== undefined && expires <= clock.now()) drop(key, address);
    }
  }

  function drop(key: string, address: InterfaceAddress) {
    entries.delete(key);
    report({ kind: 'address-removed', ip: address.ip, link: address.link });
  }

  function enter(address: InterfaceAddress) {
    const key = keyOf(address);
    const known = entries.has(key);
    const expires = address.lifetime === 'forever' ? undefined : plus(clock.now(), address.lifetime);
    entries.set(key, { address, expires });
    if (expires !== undefined) clock.at(expires, expire);
    if (!known) report({ kind: 'address-added', address });
  }

  function current({ address, expires }: Entry): InterfaceAddress {
    if (expires === undefined) return address;
    return { ...address, lifetime: millis(Math.floor((expires - clock.now()) / 1000) * 1000) };
  }

  const network: FakeNetwork = {
    refusePut: undefined,
    requests,
    async links() {
      return [...links.values()];
    },
    async addresses() {
      expire();
      return [...entries.values()].map(current);
    },
    async defaultRouteLink(family) {
      return routes.get(family);
    },
    async putAddress(address) {
      expire();
      requests.push({ at: clock.now(), kind: 'put', ip: address.ip, link: address.link });
      const refusal = network.refusePut ?? (links.has(address.link) ? undefined : 'ENODEV');
      if (refusal !== undefined) throw new KernelError(`put address ${address.ip}/${address.prefixLength}`, refusal);
      enter({
        ...address,
        lifetime: address.lifetime === 'forever' ? 'forever' : wholeSeconds(address.lifetime),
        deprecated: true,
        protocol: vipdAddressProtocol,
      });
    },
    async removeAddress(address) {
      expire();
      requests.push({ at: clock.now(), kind: 'remove', ip: address.ip, link: address.link });
      const key = keyOf(address);
      const entry = entries.get(key);
      if (entry !== undefined) drop(key, entry.address);
    },
    watch(onChange) {
      // Two watches with one function are still two.
      const watcher = (change: NetworkChange) => onChange(change);
      watchers.add(watcher);
      return { [Symbol.dispose]: () => watchers.delete(watcher) };
    },
    setLink(link) {
      links.set(link.index, link);
      report({ kind: 'link', link });
    },
    removeLink(index) {
      expire();
      for (const [key, { address }] of entries) if (address.link === index) drop(key, address);
      if (links.delete(index)) report({ kind: 'link-removed', index });
    },
    setDefaultRoute(family, link) {
      if (link === undefined) routes.delete(family);
      else routes.set(family, link);
    },
    addAddress(address) {
      expire();
      enter(address);
    },
    deleteAddress(ip, link) {
      expire();
      for (const [key, { address }] of entries) if (address.ip === ip && address.link === link) drop(key, address);
    },
    overrun() {
      report({ kind: 'overrun' });
    },
    held(ip) {
      expire();
      const entry = [...entries.values()].find(({ address }) => address.ip === ip);
      return entry === undefined ? undefined : current(entry);
    },
  };
  return network;
}

function wholeSeconds(milliseconds: number) {
  return millis(Math.max(1, Math.floor(milliseconds / 1000)) * 1000);
}

function keyOf(address: Pick<VirtualAddress, 'ip' | 'prefixLength' | 'link'>): string {
  return `${address.link} ${address.ip}/${address.prefixLength}`;
}
