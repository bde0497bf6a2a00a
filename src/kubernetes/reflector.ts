import type { Clock } from '../time/clock.js';
import { between, type Millis, millis, plus } from '../time/instant.js';
import type { KubernetesClient } from './client.js';
import { asObject, identityOf, type JsonObject } from './json.js';
import { type ApiRefusal, type Refused, refusalOfStatus, refused } from './refusal.js';

export interface ReflectorOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  /** The collection's path. */
  readonly path: string;
  /** Which of its objects: `fieldSelector` or `labelSelector`. */
  readonly selector: Readonly<Record<string, string>>;
  /** All objects selected, by name, as they were at that version: after each list and each change. */
  onObjects(objects: ReadonlyMap<string, JsonObject>, version: string): void;
  /** It failed, and is taken up again by itself. */
  onInterrupted(refused: Refused): void;
  /** How long one watch lasts before it is renewed, in whole seconds: from `min` to below twice that. */
  readonly minimumWatch?: Millis;
  /** 0 ≤ x < 1, for jitter. */
  readonly random?: () => number;
}

/** Lists are small, and a slow API server is better than none. */
const listTimeout = millis(5_000);
const watchTimeout = millis(5_000);
/** How much longer than asked for a watch may last before it counts as dead. */
const overtime = millis(5_000);
const firstPause = 100;
/** A watch shorter than this that brought nothing is a failure (client-go: "very short watch"). */
const shortWatch = millis(1_000);

/**
 * Keeps a copy of some Kubernetes objects: a list, then a watch from there. A watch that ends in good order is taken up where it
 * ended (bookmarks keep that point fresh); after anything else, 410 Gone too, everything is listed again, so that no deletion is
 * ever missed. Disposing it ends it at once and silences it.
 */
export function reflect(options: ReflectorOptions): Disposable {
  const { client, clock, onInterrupted } = options;
  const random = options.random ?? Math.random;
  const minimumWatch = options.minimumWatch ?? millis(30_000);
  const ending = new AbortController();
  const { signal } = ending;
  const objects = new Map<string, JsonObject>();
  let version: string | undefined;

  async function list(): Promise<Refused | undefined> {
    const answer = await client.request({
      method: 'GET',
      path: options.path,
      query: options.selector,
      timeout: listTimeout,
      signal,
      lane: 'background',
    });
    if (signal.aborted || !answer.ok) return answer.ok ? undefined : answer;
    const listVersion = asObject(answer.body.metadata)?.resourceVersion;
    const { kind, items } = answer.body;
    // An empty list is an empty array, or from some servers null.
    if (typeof kind !== 'string' || !kind.endsWith('List') || !(Array.isArray(items) || items === null)) {
      return refused('invalid', 'the answer is not a list');
    }
    if (typeof listVersion !== 'string' || listVersion === '') return refused('invalid', 'a list without a version');
    objects.clear();
    for (const item of items ?? []) {
      const object = asObject(item);
      const identity = object && identityOf(object);
      if (object === undefined || identity === undefined)
        return refused('invalid', 'a list with an object without a name');
      objects.set(identity.name, object);
    }
    version = listVersion;
    options.onObjects(objects, version);
    return undefined;
  }

  /** @returns a refusal, or undefined when the watch ended as it should */
  async function watch(from: string): Promise<Refused | undefined> {
    const duration = Math.floor((minimumWatch * (1 + random())) / 1_000);
    const started = clock.now();
    let brought = false;
    const end = await client.stream({
      path: options.path,
      query: {
        ...options.selector,
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(Math.max(1, duration)),
        resourceVersion: from,
      },
      timeout: watchTimeout,
      lifetime: millis(duration * 1_000 + overtime),
      signal,
      onObject(event) {
        brought = true;
        return signal.aborted ? undefined : change(event);
      },
    });
    if (!end.ok) return end;
    if (!brought && between(started, clock.now()) < shortWatch)
      return refused('unreachable', 'the watch ended at once');
    return undefined;
  }

  function change(event: JsonObject): Refused | undefined {
    const object = asObject(event.object);
    if (object === undefined) return refused('invalid', 'a watch event without an object');
    if (event.type === 'ERROR') return errorEvent(object);
    if (event.type === 'BOOKMARK') {
      const bookmark = asObject(object.metadata)?.resourceVersion;
      if (typeof bookmark === 'string' && bookmark !== '') version = bookmark;
      return undefined;
    }
    const identity = identityOf(object);
    if (identity === undefined) return refused('invalid', 'a watch event with an object without a name');
    if (event.type === 'DELETED') objects.delete(identity.name);
    else if (event.type === 'ADDED' || event.type === 'MODIFIED') objects.set(identity.name, object);
    else return undefined;
    version = identity.resourceVersion;
    options.onObjects(objects, version);
    return undefined;
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let failure = version === undefined ? await list() : undefined;
      if (signal.aborted) return;
      if (failure === undefined && version !== undefined) {
        const started = clock.now();
        failure = await watch(version);
        if (signal.aborted) return;
        // Only a watch that lasted shows that the server is well: one that lists but refuses to watch is not hammered.
        if (failure === undefined || between(started, clock.now()) >= shortWatch) failures = 0;
      }
      if (failure === undefined) continue;
      version = undefined;
      failures++;
      onInterrupted(failure);
      await pause(clock, millis(pauseAfter(failures, failure.refusal, random())), signal);
    }
  }

  void run();
  return { [Symbol.dispose]: () => ending.abort() };
}

/**
 * How long to wait before trying again, in milliseconds: at once the first time, then doubling from 100 ms. The ceiling is low where
 * the server is merely not there, so that a network that comes back is noticed within the second; it is 5 s where the server says no.
 */
export function pauseAfter(failures: number, refusal: ApiRefusal, random: number): number {
  const away: readonly ApiRefusal[] = ['unreachable', 'timeout', 'server-error', 'gone'];
  const ceiling = away.includes(refusal) ? 800 : 5_000;
  if (failures <= 1) return (random * firstPause) / 4;
  return Math.min(ceiling, firstPause * 2 ** Math.min(failures - 2, 16)) * (0.5 + random / 2);
}

function errorEvent(status: JsonObject): Refused {
  const { code, message } = status;
  const refusal = typeof code === 'number' ? refusalOfStatus(code) : 'invalid';
  return refused(refusal, typeof message === 'string' ? message : 'the watch reports an error');
}

function pause(clock: Clock, time: Millis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.at(plus(clock.now(), time), done);
    function done() {
      signal.removeEventListener('abort', done);
      timer[Symbol.dispose]();
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
