import type { JsonObject } from '../../kubernetes/json.js';
import { apiVersionOf, type Resource, resources } from './resource.js';

const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
const groups = [...new Set(resources.map(({ group }) => group))].filter((group) => group !== '');

/** What kubectl asks before it asks for anything: which groups and kinds there are. Undefined for any other path. */
export function discover(pathname: string): JsonObject | undefined {
  switch (pathname) {
    case '/version':
      return { major: '1', minor: '20', gitVersion: 'v1.20.2-vipd', platform: 'linux/amd64' };
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(describeGroup) };
    default: {
      const version = /^\/(?:api|apis)\/(.+)$/.exec(pathname)?.[1];
      const members = resources.filter((resource) => pathname === pathOf(resource));
      if (members.length === 0) return undefined;
      return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: version, resources: members.map(describe) };
    }
  }
}

function pathOf(resource: Resource): string {
  return `/${resource.group === '' ? 'api' : 'apis'}/${apiVersionOf(resource)}`;
}

function describeGroup(name: string): JsonObject {
  const version = { groupVersion: `${name}/v1`, version: 'v1' };
  return { name, versions: [version], preferredVersion: version };
}

function describe({ plural, singular, namespaced, kind, shortNames }: Resource): JsonObject {
  return { name: plural, singularName: singular, namespaced, kind, verbs, shortNames };
}
