import { randomUUID } from 'node:crypto';
import { asObject, type JsonObject } from '../../kubernetes/json.js';
import { apiVersionOf, type Resource } from './resource.js';
import type { Selector } from './selector.js';

export type StoreRefusal = 'absent' | 'exists' | 'conflict' | 'invalid';
export type StoreResult =
  | { readonly ok: true; readonly object: JsonObject }
  | { readonly ok: false; readonly refusal: StoreRefusal; readonly detail: string };

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: JsonObject;
}

/** What a write is about: of a kind with a status path, the status and all else are written apart. */
export type Part = 'object' | 'status';

/** Which objects of one kind. */
export interface Scope {
  readonly resource: Resource;
  /** Undefined: in all namespaces. */
  readonly namespace: string | undefined;
  readonly selects: Selector;
}

export interface Place {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** The objects of the embedded API, with one version counter for all of them, as in etcd. Objects are never changed in place. */
export interface Store {
  /** The version of the latest change. */
  readonly revision: number;
  get(place: Place): StoreResult;
  list(scope: Scope): readonly JsonObject[];
  create(place: Omit<Place, 'name'>, object: JsonObject): StoreResult;
  /** Replaces the object, or only its status; refused if `object` names another version than the one there is. */
  replace(place: Place, object: JsonObject, part: Part): StoreResult;
  /** Applies a JSON merge patch (RFC 7396). */
  patch(place: Place, patch: JsonObject, part: Part): StoreResult;
  remove(place: Place): StoreResult;
  /** Reports every change after version `after`; `gone` if the history does not reach back so far. */
  follow(scope: Scope, after: number, onEvent: (event: StoreEvent) => void): Disposable | 'gone';
  /** From now on a watch can only start at a version that is read after this call. */
  forgetHistory(): void;
}

/** A change: what was there before and after it. */
interface Change {
  readonly revision: number;
  readonly resource: Resource;
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
}

/** @param historyLimit how many changes back a watch can start */
export function createStore(wall: () => Date, historyLimit = 1_000): Store {
  const objects = new Map<string, JsonObject>();
  const history: Change[] = [];
  const followers = new Set<(change: Change) => void>();
  let revision = 1;
  let horizon = 1;

  function commit(place: Place, before: JsonObject | undefined, after: JsonObject | undefined): void {
    revision++;
    if (after === undefined) objects.delete(keyOf(place));
    else objects.set(keyOf(place), after);
    const change = { revision, resource: place.resource, before, after };
    history.push(change);
    const forgotten = history.length > historyLimit ? history.shift() : undefined;
    if (forgotten !== undefined) horizon = forgotten.revision;
    for (const follower of [...followers]) follower(change);
  }

  /** What is written has the next version, and nothing that JSON cannot say. */
  function write(place: Place, before: JsonObject | undefined, object: JsonObject): StoreResult {
    const after = JSON.parse(JSON.stringify(withVersion(object, revision + 1))) as JsonObject;
    commit(place, before, after);
    return { ok: true, object: after };
  }

  function rewrite(place: Place, part: Part, edit: (old: JsonObject) => JsonObject | string): StoreResult {
    const old = objects.get(keyOf(place));
    if (old === undefined) return absent(place);
    const edited = edit(old);
    if (typeof edited === 'string') return { ok: false, refusal: 'invalid', detail: edited };
    const metadata = asObject(edited.metadata);
    const { uid, name, namespace, creationTimestamp, resourceVersion } = asObject(old.metadata) ?? {};
    if (!isSame(metadata?.resourceVersion, resourceVersion) || !isSame(metadata?.uid, uid)) {
      const detail = `Operation cannot be fulfilled on ${place.resource.plural} "${place.name}": the object has been modified`;
      return { ok: false, refusal: 'conflict', detail };
    }
    const { hasStatus } = place.resource;
    const body = part === 'status' ? { ...old, status: edited.status } : edited;
    const merged = part === 'object' && hasStatus ? { ...body, status: old.status } : body;
    return write(
      place,
      old,
      withMetadata(withKind(place.resource, merged), { uid, name, namespace, creationTimestamp }),
    );
  }

  return {
    get revision() {
      return revision;
    },
    get(place) {
      const object = objects.get(keyOf(place));
      return object === undefined ? absent(place) : { ok: true, object };
    },
    list(scope) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(`${scope.resource.plural}/`)).sort();
      return keys.map((key) => objects.get(key) ?? {}).filter((object) => isIn(scope, object));
    },
    create({ resource, namespace }, object) {
      const metadata = asObject(object.metadata);
      const name = metadata?.name;
      if (typeof name !== 'string' || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) {
        return { ok: false, refusal: 'invalid', detail: `metadata.name: Invalid value: ${JSON.stringify(name)}` };
      }
      if (namespace !== undefined && metadata?.namespace !== undefined && metadata.namespace !== namespace) {
        return { ok: false, refusal: 'invalid', detail: 'the namespace of the object is not that of the request' };
      }
      const place = { resource, namespace, name };
      if (objects.has(keyOf(place))) {
        return { ok: false, refusal: 'exists', detail: `${resource.plural} "${name}" already exists` };
      }
      const creationTimestamp = wall()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z');
      const given = { ...(namespace === undefined ? {} : { namespace }), uid: randomUUID(), creationTimestamp };
      return write(place, undefined, withMetadata(withKind(resource, object), given));
    },
    replace(place, object, part) {
      const version = asObject(object.metadata)?.resourceVersion;
      if (place.resource.versionRequired && (version === undefined || version === '') && objects.has(keyOf(place))) {
        return { ok: false, refusal: 'invalid', detail: 'metadata.resourceVersion: must be specified for an update' };
      }
      return rewrite(place, part, () => (asObject(object.metadata)?.name === place.name ? object : 'another name'));
    },
    patch: (place, patch, part) => rewrite(place, part, (old) => asObject(mergePatch(old, patch)) ?? 'not an object'),
    remove(place) {
      const old = objects.get(keyOf(place));
      if (old === undefined) return absent(place);
      commit(place, old, undefined);
      return { ok: true, object: old };
    },
    follow(scope, after, onEvent) {
      if (after < horizon) return 'gone';
      const follower = (change: Change) => {
        const event = eventFor(scope, change);
        if (event !== undefined) onEvent(event);
      };
      for (const change of history) if (change.revision > after) follower(change);
      followers.add(follower);
      return { [Symbol.dispose]: () => followers.delete(follower) };
    },
    forgetHistory() {
      revision++;
      horizon = revision;
      history.length = 0;
    },
  };
}

/** What a watch of this scope is told of a change: an object can also enter or leave the scope by its labels. */
function eventFor(scope: Scope, { revision, resource, before, after }: Change): StoreEvent | undefined {
  if (resource !== scope.resource) return undefined;
  const was = before !== undefined && isIn(scope, before);
  if (after !== undefined && isIn(scope, after)) return { type: was ? 'MODIFIED' : 'ADDED', object: after };
  // Told as it last was, under the version at which it went.
  return was ? { type: 'DELETED', object: withVersion(before, revision) } : undefined;
}

function isIn(scope: Scope, object: JsonObject): boolean {
  const namespace = asObject(object.metadata)?.namespace;
  return (scope.namespace === undefined || scope.namespace === namespace) && scope.selects(object);
}

/** RFC 7396: null removes, objects merge, all else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  const changes = asObject(patch);
  if (changes === undefined) return patch;
  const result = new Map(Object.entries(asObject(target) ?? {}));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) result.delete(key);
    else result.set(key, mergePatch(result.get(key), value));
  }
  return Object.fromEntries(result);
}

function keyOf({ resource, namespace, name }: Place): string {
  return `${resource.plural}/${namespace ?? ''}/${name}`;
}

function absent({ resource, name }: Place): StoreResult {
  return { ok: false, refusal: 'absent', detail: `${resource.plural} "${name}" not found` };
}

function withMetadata(object: JsonObject, metadata: JsonObject): JsonObject {
  return { ...object, metadata: { ...asObject(object.metadata), ...metadata } };
}

function withKind(resource: Resource, object: JsonObject): JsonObject {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}

function withVersion(object: JsonObject, revision: number): JsonObject {
  return withMetadata(object, { resourceVersion: String(revision) });
}

/** What a write leaves out is taken from what is there. */
function isSame(given: unknown, current: unknown): boolean {
  return given === undefined || given === '' || given === current;
}
