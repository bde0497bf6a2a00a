import { request } from 'node:http';
import type { DaemonStatus } from '../vip/status.js';

export type StatusRefusal = 'not-running' | 'forbidden' | 'no-answer';

export type StatusAnswer =
  | { readonly ok: true; readonly status: DaemonStatus }
  /** `message`: one sentence for the operator. */
  | { readonly ok: false; readonly refusal: StatusRefusal; readonly message: string };

const patienceMillis = 2000;
/** A status of thousands of backends is well below this. */
const longestAnswer = 8 << 20;

/** Asks the daemon that listens on the Unix socket for its status. Never throws; gives up after two seconds. */
export async function askStatus(socketPath: string, timeoutMillis = patienceMillis): Promise<StatusAnswer> {
  try {
    const text = await get(socketPath, '/v1/status', AbortSignal.timeout(timeoutMillis));
    const status: unknown = JSON.parse(text);
    if (isDaemonStatus(status)) return { ok: true, status };
    return refusal('no-answer', `what answers on ${socketPath} is not vipd; give its socket with --admin-socket`);
  } catch (error) {
    return explain(error, socketPath, timeoutMillis);
  }
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, signal, headers: { connection: 'close' } }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > longestAnswer) asking.destroy(new Error('the answer is too long'));
        chunks.push(chunk);
      });
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`it answered with HTTP status ${response.statusCode}`));
      });
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end();
  });
}

function explain(error: unknown, socketPath: string, timeoutMillis: number): StatusAnswer {
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

function refusal(reason: StatusRefusal, message: string): StatusAnswer {
  return { ok: false, refusal: reason, message };
}

function isDaemonStatus(value: unknown): value is DaemonStatus {
  return typeof value === 'object' && value !== null && Array.isArray((value as { vips?: unknown }).vips);
}
