/** Why the Kubernetes API did not do what was asked. */
export type ApiRefusal =
  | 'conflict' // 409: someone wrote in between, or it exists already
  | 'absent' // 404
  | 'unauthorized' // 401
  | 'forbidden' // 403
  | 'gone' // 410: the resource version is too old to watch from
  | 'throttled' // 429
  | 'invalid' // another 4xx, or an answer that is not what it should be
  | 'server-error' // 5xx
  | 'unreachable' // no connection, or it broke
  | 'timeout'; // no answer in the time given: the request may still take effect
