import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../kubernetes/json.js';
import type { Clock } from '../../time/clock.js';
import { type Millis, millis, plus } from '../../time/instant.js';
import { failure, type WatchRequest } from './answer.js';
import type { FaultGate } from './faults.js';
import { apiVersionOf } from './resource.js';
import type { Store } from './store.js';

/** How much a watch may have left unread before it is given up. */
const backlogLimit = 4 * 1024 * 1024;

export interface WatchParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly gate: FaultGate;
  readonly bookmarkInterval: Millis;
}

/** Answers a watch: one JSON object a line, until its time is over or the client leaves. */
export function streamWatch(response: ServerResponse, watch: WatchRequest, parts: WatchParts): void {
  const { store, clock, gate } = parts;
  const { scope, after } = watch;
  const write = (type: string, object: JsonObject) => {
    gate.whenThawed(() => {
      if (response.destroyed || response.writableEnded) return;
      response.write(`${JSON.stringify({ type, object })}\n`);
      if (response.writableLength > backlogLimit) response.destroy();
    });
  };
  const end = () => gate.whenThawed(() => response.end());

  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  if (after === undefined) for (const object of store.list(scope)) write('ADDED', object);
  const following = store.follow(scope, after ?? store.revision, ({ type, object }) => write(type, object));
  if (following === 'gone') {
    write('ERROR', failure(410, `too old resource version: ${after} (${store.revision})`));
    end();
    return;
  }
  const cutting = gate.onCut(() => response.destroy());
  const ending = clock.at(plus(clock.now(), millis(watch.seconds * 1_000)), end);
  let bookmark: Disposable | undefined;
  const setBookmark = () => {
    bookmark = clock.at(plus(clock.now(), parts.bookmarkInterval), () => {
      const metadata = { resourceVersion: String(store.revision) };
      write('BOOKMARK', { kind: scope.resource.kind, apiVersion: apiVersionOf(scope.resource), metadata });
      setBookmark();
    });
  };
  if (watch.bookmarks) setBookmark();
  response.on('close', () => {
    for (const each of [following, cutting, ending, bookmark]) each?.[Symbol.dispose]();
  });
}
