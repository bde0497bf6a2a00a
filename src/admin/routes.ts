import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Control, ControlAnswer } from './control.js';
import { longestBody, readDrainBody } from './drain-body.js';

interface Route {
  readonly method: 'GET' | 'POST';
  /** What to answer, with which HTTP status. `body` is never longer than `longestBody`. */
  answer(control: Control, body: Buffer): Answer | Promise<Answer>;
}

type Answer = readonly [code: number, body: unknown];

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/v1/status', { method: 'GET', answer: async (control) => [200, await control.status()] }],
  ['/v1/backends/drain', { method: 'POST', answer: (control, body) => setDraining(control, body, true) }],
  ['/v1/backends/resume', { method: 'POST', answer: (control, body) => setDraining(control, body, false) }],
  ['/v1/reload', { method: 'POST', answer: reload }],
  ['/v1/upgrade', { method: 'POST', answer: upgrade }],
]);

/** Answers one request, whatever it is, in JSON. */
export async function answer(request: IncomingMessage, response: ServerResponse, control: Control): Promise<void> {
  const route = routes.get(request.url?.split('?', 1)[0] ?? '');
  if (route === undefined) {
    send(response, refusal(404, 'not-found', `there are ${[...routes.keys()].join(', ')}`));
  } else if (request.method !== route.method) {
    response.setHeader('Allow', route.method);
    send(response, refusal(405, 'method-not-allowed', `only ${route.method}`));
  } else {
    const body = await read(request);
    if (body === 'cut-off') return;
    const isTooLong = body === 'too-long';
    send(
      response,
      isTooLong
        ? refusal(413, 'too-long', `the body is longer than ${longestBody} bytes`)
        : await route.answer(control, body),
    );
  }
}

async function setDraining(control: Control, body: Buffer, draining: boolean): Promise<Answer> {
  const read = readDrainBody(body);
  return read.ok
    ? answered(await control.setDraining({ ...read.target, draining }))
    : refusal(400, 'bad-request', read.message);
}

async function reload(control: Control, body: Buffer): Promise<Answer> {
  return body.length === 0
    ? answered(await control.reload())
    : refusal(400, 'bad-request', 'a reload takes no body: the daemon reads its own file again');
}

async function upgrade(control: Control, body: Buffer): Promise<Answer> {
  return body.length === 0
    ? answered(await control.upgrade())
    : refusal(400, 'bad-request', 'an upgrade takes no body: the new process reads the daemon’s own file');
}

const codes = {
  'unknown-backend': 404,
  'unknown-vip': 404,
  invalid: 422,
  'needs-restart': 409,
  failed: 500,
} as const;

function answered(answer: ControlAnswer): Answer {
  return [answer.ok ? 200 : codes[answer.refusal], answer];
}

function refusal(code: number, error: string, message: string): Answer {
  return [code, { error, message }];
}

/** The whole body. What is too long is read to its end and not kept, so that the client hears why. */
function read(request: IncomingMessage): Promise<Buffer | 'too-long' | 'cut-off'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= longestBody) chunks.push(chunk);
    });
    request.on('end', () => resolve(length <= longestBody ? Buffer.concat(chunks) : 'too-long'));
    request.on('error', () => resolve('cut-off'));
    request.on('close', () => resolve('cut-off'));
  });
}

function send(response: ServerResponse, [code, body]: Answer): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(code, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}
