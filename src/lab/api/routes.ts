import { type JsonObject, parseObject } from '../../kubernetes/json.js';
import { type Answer, answerOf, fail, type WatchRequest } from './answer.js';
import { discover } from './discovery.js';
import type { Verb } from './faults.js';
import { apiVersionOf, parseTarget, type Target } from './resource.js';
import { parseSelectors } from './selector.js';
import type { Part, Scope, Store } from './store.js';

/** A request, read. */
export interface ApiRequest {
  readonly verb: Verb;
  readonly pathname: string;
  readonly query: URLSearchParams;
  /** The bearer token, if there is one. */
  readonly token: string | undefined;
  readonly contentType: string;
  readonly body: string;
}

/** Does what a request asks of the store: health, discovery, and Kubernetes' verbs on its resources. */
export function route(request: ApiRequest, store: Store, tokens: ReadonlySet<string>): Answer {
  const { pathname, token, verb } = request;
  if (['/livez', '/readyz', '/healthz'].includes(pathname)) return { kind: 'text', text: 'ok' };
  if (pathname !== '/version' && (token === undefined || !tokens.has(token))) return fail(401, 'Unauthorized');
  const found = verb === 'get' || verb === 'list' ? discover(pathname) : undefined;
  if (found !== undefined) return { kind: 'json', status: 200, body: found };
  const target = parseTarget(pathname);
  if (target === undefined) return fail(404, 'the server could not find the requested resource');
  return target.name === undefined
    ? routeCollection(request, target, store)
    : routeObject(request, target, target.name, store);
}

function routeCollection(request: ApiRequest, { resource, namespace }: Target, store: Store): Answer {
  const { query } = request;
  if (request.verb === 'create') {
    if (resource.namespaced && namespace === undefined) return fail(405, 'objects are created in a namespace');
    return withBody(request, (object) => answerOf(store.create({ resource, namespace }, object), 201));
  }
  if (request.verb !== 'list' && request.verb !== 'watch') return fail(405, 'not for a collection');
  const selects = parseSelectors(query.get('labelSelector') ?? '', query.get('fieldSelector') ?? '');
  if (selects === undefined) return fail(400, 'a selector that this API does not have');
  const scope = { resource, namespace, selects };
  if (request.verb === 'watch') return routeWatch(scope, query, store);
  const body = {
    kind: `${resource.kind}List`,
    apiVersion: apiVersionOf(resource),
    metadata: { resourceVersion: String(store.revision) },
    items: store.list(scope),
  };
  return { kind: 'json', status: 200, body };
}

/** Half an hour if the client does not say how long. */
function routeWatch(scope: Scope, query: URLSearchParams, store: Store): Answer {
  const from = query.get('resourceVersion') ?? '';
  const seconds = query.get('timeoutSeconds') ?? '1800';
  if (!/^\d*$/.test(from) || !/^\d{1,6}$/.test(seconds)) return fail(400, 'no such resourceVersion or timeoutSeconds');
  if (Number(from) > store.revision)
    return fail(504, `Too large resource version: ${from}, current: ${store.revision}`);
  const watch: WatchRequest = {
    scope,
    // Without a version, or with 0, a watch begins with what there is.
    after: Number(from) === 0 ? undefined : Number(from),
    seconds: Number(seconds),
    bookmarks: query.get('allowWatchBookmarks') === 'true',
  };
  return { kind: 'watch', watch };
}

function routeObject(request: ApiRequest, target: Target, name: string, store: Store): Answer {
  const place = { resource: target.resource, namespace: target.namespace, name };
  const part: Part = target.status ? 'status' : 'object';
  switch (request.verb) {
    case 'get':
      return answerOf(store.get(place));
    case 'update':
      return withBody(request, (object) => answerOf(store.replace(place, object, part)));
    case 'patch':
      if (!/^application\/(strategic-)?merge-patch\+json/.test(request.contentType))
        return fail(415, 'merge patches only');
      return withBody(request, (patch) => answerOf(store.patch(place, patch, part)));
    case 'delete':
      return answerOf(store.remove(place));
    default:
      return fail(405, 'not for one object');
  }
}

function withBody(request: ApiRequest, use: (object: JsonObject) => Answer): Answer {
  const object = parseObject(request.body);
  return object === undefined ? fail(400, 'the body is not a JSON object') : use(object);
}
