import { didYouMean } from './did-you-mean.js';
import { configFlag, environmentName, globalSettings, vipSettings } from './schema.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What Kubernetes puts into every container for each Service of the namespace (a Service called `vipd` gives VIPD_SERVICE_HOST
 * and VIPD_PORT=tcp://…): never settings.
 */
const serviceLink = /^VIPD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const serviceLinkValue = /^(tcp|udp|sctp):\/\//;

/** The text of a variable; empty is the same as absent, since manifests cannot always leave a variable out. */
export function variable(environment: Environment, name: string): string | undefined {
  const text = environment[name];
  return text === undefined || text === '' || serviceLinkValue.test(text) ? undefined : text;
}

/** One problem for every variable that begins like ours and is no setting. VIPD_TEST_* are switches of the tests. */
export function unknownVariables(environment: Environment): string[] {
  const known = new Set(
    [
      configFlag,
      ...[globalSettings, vipSettings].flatMap((table) => Object.values(table).map((entry) => entry.flag)),
    ].map(environmentName),
  );
  return Object.keys(environment)
    .filter((name) => name.startsWith('VIPD_') && !name.startsWith('VIPD_TEST_') && !known.has(name))
    .filter((name) => !serviceLink.test(name) && variable(environment, name) !== undefined)
    .sort()
    .map((name) => `environment: ${name} is not a setting${didYouMean(name, known) || '; remove it'}`);
}
