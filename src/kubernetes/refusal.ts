/** Why the Kubernetes API did not do what was asked. */
export type ApiRefusal =
  | 'conflict' // 409: someone wrote in between, or it exists already
  | 'absent' // 404
  | 'unauthorized' // 401, or there are no credentials to show
  | 'forbidden' // 403
  | 'gone' // 410: the resource version is too old to watch from
  | 'throttled' // 429
  | 'invalid' // another 4xx, or an answer that is not what it should be
  | 'server-error' // 5xx
  | 'unreachable' // no connection, or it broke
  | 'timeout'; // no answer in the time given: the request may still take effect

/** A refusal and, for people, what was said about it: one line, bounded. */
export interface Refused {
  readonly ok: false;
  readonly refusal: ApiRefusal;
  readonly detail: string;
}

const detailLimit = 300;

/** @param detail may come from the server: it is cut and made one line of printable text */
export function refused(refusal: ApiRefusal, detail: string): Refused {
  const line = detail.slice(0, 4 * detailLimit).replace(/[\p{Cc}\s]+/gu, ' ');
  return { ok: false, refusal, detail: line.trim().slice(0, detailLimit) };
}

/** The refusal that an HTTP status outside 2xx stands for (a Status object's `code` is the same number). */
export function refusalOfStatus(status: number): ApiRefusal {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'absent';
    case 409:
      return 'conflict';
    case 410:
      return 'gone';
    case 429:
      return 'throttled';
    default:
      return status >= 500 && status <= 599 ? 'server-error' : 'invalid';
  }
}
