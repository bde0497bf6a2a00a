import { request } from 'node:http';
import type { DaemonStatus } from '../vip/status.js';
import type { ControlAnswer, DrainRequest } from './control.js';

/** No answer that one could use. `message`: one sentence for the operator. */
export interface NoAnswer {
  readonly ok: false;
  readonly refusal: 'not-running' | 'forbidden' | 'no-answer';
  readonly message: string;
}

export type StatusAnswer = { readonly ok: true; readonly status: DaemonStatus } | NoAnswer;

/** What the daemon said, be it yes or no. */
export type Answered = { readonly ok: true; readonly answer: ControlAnswer } | NoAnswer;

const patienceMillis = 2000;
/** A reload waits for the kernel, and for a reload that is under way. */
const reloadPatienceMillis = 30_000;
/** An upgrade waits until the new process has checked its backends, the API has answered for the last time, and the new one leads. */
const upgradePatienceMillis = 200_000;
/** A status of thousands of backends is well below this. */
const longestAnswer = 8 << 20;

/** Asks the daemon that listens on the Unix socket for its status. Never throws; gives up after two seconds. */
export async function askStatus(socketPath: string, timeoutMillis = patienceMillis): Promise<StatusAnswer> {
  const reply = await ask(socketPath, { method: 'GET', path: '/v1/status', timeoutMillis });
  if (!reply.ok) return reply;
  if (reply.code !== 200) return refusedByHttp(socketPath, reply);
  return isDaemonStatus(reply.body) ? { ok: true, status: reply.body } : notVipd(socketPath);
}

/** Has a backend drained, or resumed. Never throws; gives up after two seconds. */
export function askDraining(
  socketPath: string,
  { draining, ...target }: DrainRequest,
  timeoutMillis = patienceMillis,
): Promise<Answered> {
  const path = draining ? '/v1/backends/drain' : '/v1/backends/resume';
  return askControl(socketPath, { method: 'POST', path, body: JSON.stringify(target), timeoutMillis });
}

/** Has the daemon read its file again. Never throws; gives up after half a minute. */
export function askReload(socketPath: string, timeoutMillis = reloadPatienceMillis): Promise<Answered> {
  return askControl(socketPath, { method: 'POST', path: '/v1/reload', timeoutMillis });
}

/** Has a new process go on in place of the daemon. Never throws; gives up after 200 s. */
export function askUpgrade(socketPath: string, timeoutMillis = upgradePatienceMillis): Promise<Answered> {
  return askControl(socketPath, { method: 'POST', path: '/v1/upgrade', timeoutMillis });
}

async function askControl(socketPath: string, question: Question): Promise<Answered> {
  const reply = await ask(socketPath, question);
  if (!reply.ok) return reply;
  if (isControlAnswer(reply.body)) return { ok: true, answer: reply.body };
  return reply.code === 200 ? notVipd(socketPath) : refusedByHttp(socketPath, reply);
}

interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly timeoutMillis: number;
}

interface Reply {
  readonly ok: true;
  readonly code: number;
  readonly body: unknown;
}

async function ask(socketPath: string, question: Question): Promise<Reply | NoAnswer> {
  try {
    return await exchange(socketPath, question);
  } catch (error) {
    return explain(error, socketPath, question.timeoutMillis);
  }
}

function exchange(socketPath: string, { method, path, body = '', timeoutMillis }: Question): Promise<Reply> {
  const headers = { connection: 'close', 'content-length': Buffer.byteLength(body) };
  const signal = AbortSignal.timeout(timeoutMillis);
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path, headers, signal }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > longestAnswer) asking.destroy(new Error('the answer is too long'));
        chunks.push(chunk);
      });
      response.on('end', () => {
        try {
          const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
          resolve({ ok: true, code: response.statusCode ?? 0, body: answer });
        } catch (error) {
          reject(error);
        }
      });
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

function explain(error: unknown, socketPath: string, timeoutMillis: number): NoAnswer {
  const { code, name, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTDIR':
      return refusal('not-running', `vipd is not running (no answer on ${socketPath})`);
    case 'EACCES':
    case 'EPERM':
      return refusal(
        'forbidden',
        `this user may not open ${socketPath}; use root, or a user in the group of the socket`,
      );
  }
  return name === 'TimeoutError' || name === 'AbortError'
    ? refusal('no-answer', `vipd did not answer on ${socketPath} within ${timeoutMillis / 1000}s: it runs, but hangs`)
    : refusal('no-answer', `vipd did not answer on ${socketPath}: ${message}`);
}

/** A daemon of an earlier version does not know every path. */
function refusedByHttp(socketPath: string, { code, body }: Reply): NoAnswer {
  const { message } = (body ?? {}) as { readonly message?: unknown };
  const said = typeof message === 'string' ? ` (${message.slice(0, 200)})` : '';
  return refusal('no-answer', `what answers on ${socketPath} refused with HTTP status ${code}${said}`);
}

function notVipd(socketPath: string): NoAnswer {
  return refusal('no-answer', `what answers on ${socketPath} is not vipd; give its socket with --admin-socket`);
}

function refusal(reason: NoAnswer['refusal'], message: string): NoAnswer {
  return { ok: false, refusal: reason, message };
}

function isDaemonStatus(value: unknown): value is DaemonStatus {
  return typeof value === 'object' && value !== null && Array.isArray((value as { vips?: unknown }).vips);
}

function isControlAnswer(value: unknown): value is ControlAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { ok, changes, refusal, problems } = value as Readonly<Record<string, unknown>>;
  return ok === true ? isTexts(changes) : ok === false && typeof refusal === 'string' && isTexts(problems);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
