export type JsonObject = Readonly<Record<string, unknown>>;

/** The value if it is a JSON object (not null, not an array). */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** Reads text that should be one JSON object; undefined if it is not. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** `metadata.name` and `metadata.resourceVersion` of a Kubernetes object; undefined if either is missing or no text. */
export function identityOf(object: JsonObject): { name: string; resourceVersion: string } | undefined {
  const metadata = asObject(object.metadata);
  const name = metadata?.name;
  const resourceVersion = metadata?.resourceVersion;
  if (typeof name !== 'string' || name === '') return undefined;
  if (typeof resourceVersion !== 'string' || resourceVersion === '') return undefined;
  return { name, resourceVersion };
}
