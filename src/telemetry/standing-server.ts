import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { startWebServer, type WebServerOptions } from './http.js';
import type { Log } from './log.js';

const retry = millis(5000);

/**
 * A server that is tried again for as long as it cannot listen: a VIP is not given up, nor left without a node, for the sake of a port
 * that another process has. Says so once. Resolves after the first try.
 */
export async function standWebServer(
  options: WebServerOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<AsyncDisposable & { /** Settles when the latest try has ended. */ tried(): Promise<void> }> {
  let server: AsyncDisposable | undefined;
  let timer: Disposable | undefined;
  let isDisposed = false;
  let complaint: string | undefined;
  let trying = attempt();

  async function attempt(): Promise<void> {
    try {
      server = await startWebServer(options);
      if (complaint !== undefined) log.info('listening after all', { setting: options.setting });
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error);
      if (because !== complaint) log.error('not served, and tried again every 5 s', { because });
      complaint = because;
      if (isDisposed) return;
      timer = clock.at(plus(clock.now(), retry), () => {
        trying = attempt();
      });
    }
  }

  await trying;
  return {
    tried: () => trying,
    async [Symbol.asyncDispose]() {
      isDisposed = true;
      timer?.[Symbol.dispose]();
      await trying;
      await server?.[Symbol.asyncDispose]();
    },
  };
}
