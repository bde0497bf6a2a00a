import { type Ip, parseIp } from '../net/ip.js';
import type { ControlPlaneNode } from '../nodes/node.js';
import { asObject, type JsonObject } from './json.js';

/** Reads a v1 Node. What its status does not say plainly is not there: no address, not ready. */
export function decodeNode(name: string, object: JsonObject): ControlPlaneNode {
  const status = asObject(object.status);
  const internalIps: Ip[] = [];
  for (const { type, address } of objects(status?.addresses)) {
    const ip = type === 'InternalIP' && typeof address === 'string' ? parseIp(address) : undefined;
    if (ip !== undefined && !internalIps.includes(ip)) internalIps.push(ip);
  }
  const ready = objects(status?.conditions).some(({ type, status: value }) => type === 'Ready' && value === 'True');
  return { name, internalIps, ready };
}

/** The annotations of any object; what is no text is not there. */
export function decodeAnnotations(object: JsonObject): Readonly<Record<string, string>> {
  const annotations = asObject(asObject(object.metadata)?.annotations) ?? {};
  return Object.fromEntries(
    Object.entries(annotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.map(asObject).filter((entry) => entry !== undefined) : [];
}
