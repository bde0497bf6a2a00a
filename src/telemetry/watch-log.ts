import type { Log } from './log.js';

interface Interruption {
  readonly refusal: string;
  readonly detail: string;
}

/**
 * Tells of a watch of the API that is interrupted. Connections come and go, which is nothing to warn of; a right that is missing lasts
 * until somebody gives it, and is a warning, once.
 */
export function createWatchLog(what: string, log: Log): { interrupted(by: Interruption): void; answered(): void } {
  let complained: string | undefined;
  return {
    interrupted({ refusal, detail }) {
      const isRight = refusal === 'forbidden' || refusal === 'unauthorized';
      const level = isRight && complained !== refusal ? 'warn' : 'debug';
      if (isRight) complained = refusal;
      log[level](`${what} watch interrupted`, { because: refusal, detail });
    },
    answered() {
      if (complained !== undefined) log.info(`${what} watch answered`);
      complained = undefined;
    },
  };
}
