import type { RelayBackendStats, RelayStats } from '../kernel/ports.js';
import { endpoint } from '../net/ip.js';

/** The counters of each backend, over several listeners. */
export function sumBackends(all: readonly Pick<RelayStats, 'backends'>[]): readonly RelayBackendStats[] {
  const sums = new Map<string, RelayBackendStats>();
  for (const backend of all.flatMap((s) => s.backends)) {
    const key = `${backend.name} ${endpoint(backend.ip, backend.port)}`;
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? backend : add(sum, backend));
  }
  return [...sums.values()];
}

/** How connections ended, over several listeners. */
export function sumEndings(all: readonly Pick<RelayStats, 'endings'>[]): Readonly<Record<string, number>> {
  const endings: Record<string, number> = {};
  for (const [code, count] of all.flatMap((s) => Object.entries(s.endings)))
    endings[code] = (endings[code] ?? 0) + count;
  return endings;
}

function add(a: RelayBackendStats, b: RelayBackendStats): RelayBackendStats {
  return {
    ...a,
    open: a.open + b.open,
    total: a.total + b.total,
    failed: a.failed + b.failed,
    reset: a.reset + b.reset,
    bytesFromClient: a.bytesFromClient + b.bytesFromClient,
    bytesToClient: a.bytesToClient + b.bytesToClient,
  };
}
