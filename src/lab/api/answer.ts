import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../kubernetes/json.js';
import type { Scope, StoreResult } from './store.js';

/** What a request is answered with. */
export type Answer = WholeAnswer | { readonly kind: 'watch'; readonly watch: WatchRequest };

export type WholeAnswer =
  | { readonly kind: 'json'; readonly status: number; readonly body: JsonObject }
  | { readonly kind: 'text'; readonly text: string };

export interface WatchRequest {
  readonly scope: Scope;
  /** Every change after this version; undefined: what there is, then every change. */
  readonly after: number | undefined;
  readonly seconds: number;
  readonly bookmarks: boolean;
}

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** A Kubernetes Status object that refuses. */
export function failure(code: number, message: string, reason = reasons[code] ?? ''): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

export function fail(code: number, message: string, reason?: string): WholeAnswer {
  return { kind: 'json', status: code, body: failure(code, message, reason) };
}

/** @param status the one for success */
export function answerOf(result: StoreResult, status = 200): WholeAnswer {
  if (result.ok) return { kind: 'json', status, body: result.object };
  switch (result.refusal) {
    case 'absent':
      return fail(404, result.detail);
    case 'exists':
      return fail(409, result.detail, 'AlreadyExists');
    case 'conflict':
      return fail(409, result.detail, 'Conflict');
    case 'invalid':
      return fail(422, result.detail);
  }
}

/** Sends a whole answer, unless the client has left. */
export function send(response: ServerResponse, answer: WholeAnswer): void {
  if (response.destroyed || response.headersSent) return;
  const text = answer.kind === 'json' ? `${JSON.stringify(answer.body)}\n` : answer.text;
  response.writeHead(answer.kind === 'json' ? answer.status : 200, {
    'Content-Type': answer.kind === 'json' ? 'application/json' : 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
