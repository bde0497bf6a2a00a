/** A kind of object that the embedded API keeps. */
export interface Resource {
  /** The empty string for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Its status is written through a path of its own, and only there. */
  readonly hasStatus: boolean;
  /** A PUT must say which version it replaces. */
  readonly versionRequired: boolean;
}

const leases: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  shortNames: [],
  namespaced: true,
  hasStatus: false,
  versionRequired: true,
};

const nodes: Resource = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  namespaced: false,
  hasStatus: true,
  versionRequired: false,
};

const events: Resource = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  namespaced: true,
  hasStatus: false,
  versionRequired: false,
};

export const resources: readonly Resource[] = [leases, nodes, events];

export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** What the path of a request is about. */
export interface Target {
  readonly resource: Resource;
  /** Undefined: in every namespace, or of a kind that has none. */
  readonly namespace: string | undefined;
  /** Undefined: the collection. */
  readonly name: string | undefined;
  readonly status: boolean;
}

/** Reads `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME` and its shorter forms. Undefined for what this API does not have. */
export function parseTarget(pathname: string): Target | undefined {
  const parts = decode(pathname);
  const group = parts?.[1] === 'api' ? '' : parts?.[1] === 'apis' ? parts[2] : undefined;
  if (parts === undefined || group === undefined) return undefined;
  const [version, ...rest] = parts.slice(group === '' ? 2 : 3);
  const namespace = rest[0] === 'namespaces' && rest.length > 2 ? rest[1] : undefined;
  const [plural, name, sub, ...more] = namespace === undefined ? rest : rest.slice(2);
  const resource = resources.find((each) => each.group === group && each.version === version && each.plural === plural);
  if (resource === undefined || more.length > 0 || name === '') return undefined;
  if (sub !== undefined && !(sub === 'status' && resource.hasStatus)) return undefined;
  if (resource.namespaced ? name !== undefined && namespace === undefined : namespace !== undefined) return undefined;
  return { resource, namespace, name, status: sub === 'status' };
}

function decode(pathname: string): readonly string[] | undefined {
  try {
    return pathname.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
