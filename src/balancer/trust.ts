import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '../time/clock.js';
import { between, type Instant, millis } from '../time/instant.js';

/** CA certificates in PEM (`undefined`: those that Node.js trusts), or a sentence that says why there are none. */
export type Authorities =
  | { readonly ok: true; readonly pem: string | undefined }
  | { readonly ok: false; readonly detail: string };

type TrustResult =
  | { readonly ok: true; readonly context: SecureContext }
  | { readonly ok: false; readonly detail: string };

/** The CA certificates in a file. Rejects when it cannot be read. */
export async function authoritiesIn(file: string): Promise<Authorities> {
  return { ok: true, pem: await readFile(file, 'utf8') };
}

/** What certificates of backends are verified with, as it is now. Does not reject. */
export type Trust = () => Promise<TrustResult>;

/** A rotated CA is noticed by the second check after this time. */
const maximumAge = millis(10_000);

/**
 * Keeps what `load` gave, and asks it again when that is old, without making the check wait. While it cannot be had again, what
 * was there before is good: a file that is being replaced takes no backend down.
 */
export function createTrust(load: () => Promise<Authorities> | Authorities, clock: Clock): Trust {
  let pem: string | undefined;
  let context: SecureContext | undefined;
  let loadedAt: Instant | undefined;
  let loading: Promise<TrustResult> | undefined;

  async function read(): Promise<TrustResult> {
    try {
      const result = await load();
      if (!result.ok) return result;
      if (context === undefined || result.pem !== pem) {
        context = contextOf(result.pem);
        pem = result.pem;
      }
      loadedAt = clock.now();
      return { ok: true, context };
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.message : String(error) };
    }
  }

  function reload(): Promise<TrustResult> {
    loading ??= read().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  return async () => {
    const isFresh = loadedAt !== undefined && between(loadedAt, clock.now()) < maximumAge;
    const fresh = isFresh ? undefined : reload();
    return context === undefined ? (fresh ?? reload()) : { ok: true, context };
  };
}

/**
 * Throws when there is no certificate in the text, or one that cannot be read: OpenSSL would take it for an empty list of CAs, and
 * nobody would be told why nothing is trusted.
 */
function contextOf(pem: string | undefined): SecureContext {
  if (pem === undefined) return createSecureContext();
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('no certificate in PEM');
  for (const block of blocks) new X509Certificate(block);
  return createSecureContext({ ca: pem });
}
