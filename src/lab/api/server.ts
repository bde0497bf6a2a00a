import type { IncomingMessage, ServerResponse } from 'node:http';
import { plus } from '../../time/instant.js';
import { fail, send } from './answer.js';
import type { Verb } from './faults.js';
import { parseTarget } from './resource.js';
import { type ApiRequest, route } from './routes.js';
import { streamWatch, type WatchParts } from './watch.js';

const bodyLimit = 3 * 1024 * 1024;

export interface ApiHandlerOptions extends WatchParts {
  /** The bearer tokens that are accepted, each for everything. */
  readonly tokens: ReadonlySet<string>;
}

/** The HTTP face of the store, with its faults. */
export function createApiHandler(options: ApiHandlerOptions) {
  const { store, clock, gate, tokens } = options;

  function answer(request: ApiRequest, response: ServerResponse): void {
    const { failing, watchesRefused } = gate.faults;
    const told = failing ? fail(500, 'told to fail') : undefined;
    const toldNoWatch = watchesRefused && request.verb === 'watch' ? fail(503, 'told to refuse watches') : undefined;
    const answer = told ?? toldNoWatch ?? route(request, store, tokens);
    if (answer.kind === 'watch') streamWatch(response, answer.watch, options);
    else send(response, answer);
  }

  return (incoming: IncomingMessage, response: ServerResponse): void => {
    collect(incoming, (body) => {
      if (body === 'too-long') {
        send(response, fail(413, `a body over ${bodyLimit} bytes`));
        return;
      }
      const request = read(incoming, body);
      const act = () => {
        gate.whenThawed(() => {
          if (!response.destroyed) answer(request, response);
        });
      };
      const { delay } = gate.faults;
      if (delay === undefined || delay.verbs?.includes(request.verb) === false) {
        act();
        return;
      }
      const timer = clock.at(plus(clock.now(), delay.by), act);
      response.on('close', () => timer[Symbol.dispose]());
    });
  };
}

function read(request: IncomingMessage, body: string): ApiRequest {
  const [pathname = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const parameters = new URLSearchParams(query);
  return {
    verb: verbOf(request.method, pathname, parameters),
    pathname,
    query: parameters,
    token: /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1],
    contentType: request.headers['content-type'] ?? '',
    body,
  };
}

function verbOf(method: string | undefined, pathname: string, query: URLSearchParams): Verb {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
    default:
      if (['true', '1'].includes(query.get('watch') ?? '')) return 'watch';
      return parseTarget(pathname)?.name === undefined ? 'list' : 'get';
  }
}

function collect(request: IncomingMessage, onBody: (body: string) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= bodyLimit) chunks.push(chunk);
  });
  request.on('end', () => onBody(length > bodyLimit ? 'too-long' : Buffer.concat(chunks).toString('utf8')));
}
