import type { ListenAddress, Settings } from './config/settings.js';
import { healthPages, type Pages, telemetryPages } from './telemetry/http.js';
import { standWebServer } from './telemetry/standing-server.js';

/** Serves what is asked by HTTP, where the settings say: metrics, the status page, probes. Resolves when it is served, or cannot be yet. */
export async function serveTelemetry(
  { metrics, health }: Settings,
  source: Parameters<typeof telemetryPages>[0],
  parts: Parameters<typeof standWebServer>[1],
): Promise<AsyncDisposable> {
  const servers: AsyncDisposable[] = [];
  const serve = async (listen: ListenAddress | undefined, setting: string, pages: Pages) => {
    if (listen !== undefined) servers.push(await standWebServer({ listen, setting, pages }, parts));
  };
  await serve(metrics.listen, 'metrics.listen (--metrics-listen, VIPD_METRICS_LISTEN)', telemetryPages(source));
  // Where metrics are, health is too.
  if (health.listen?.port !== metrics.listen?.port || health.listen?.host !== metrics.listen?.host)
    await serve(health.listen, 'health.listen (--health-listen, VIPD_HEALTH_LISTEN)', healthPages(source));
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}
