import { shown } from '../config/kinds.js';
import type { DrainRequest } from './control.js';

/** More than a request with the longest names takes. */
export const longestBody = 4096;
/** Of a Kubernetes object (RFC 1123 subdomain); no backend and no VIP has a longer one. */
const longestName = 253;

export type DrainBody =
  | { readonly ok: true; readonly target: Omit<DrainRequest, 'draining'> }
  | { readonly ok: false; readonly message: string };

/** Reads `{"backend": "cp1", "vip": "api"}`, in UTF-8; `vip` may be left out. Never throws. */
export function readDrainBody(body: Uint8Array): DrainBody {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return wrong('the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('the body is not an object');
  const unknown = Object.keys(value).find((key) => key !== 'backend' && key !== 'vip');
  if (unknown !== undefined) return wrong(`there is no key ${shown(unknown)}`);
  const { backend, vip } = value as { readonly backend?: unknown; readonly vip?: unknown };
  if (!isName(backend)) return wrong(`backend is not a name of 1 to ${longestName} characters`);
  if (vip !== undefined && !isName(vip)) return wrong(`vip is not a name of 1 to ${longestName} characters`);
  return { ok: true, target: { backend, vip } };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length >= 1 && value.length <= longestName;
}

function wrong(what: string): DrainBody {
  return { ok: false, message: `${what}; send {"backend": "NAME"}, and "vip": "NAME" for one VIP alone` };
}
