import { existsSync } from 'node:fs';
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { checkServerIdentity } from 'node:tls';
import type { KubeConfig } from '@kubernetes/client-node';
import { familyOf, type Ip, parseIp } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { runExecPlugin } from './exec-credential.js';
import type { HostNames } from './host-names.js';
import { asObject } from './json.js';
import { isInPod, kubeadmConf, readFileConfig, readFilesOf, readKubeConfig, serviceAccount } from './kubeconfig.js';
import { readRegularFile } from './regular-file.js';

/** Where the address of the API server and the proof of who we are come from. */
export interface CredentialSource {
  /** A kubeconfig file; in a pod that has no such file, its service account. Without a name, kubeadm's, else the service account. */
  readonly kubeconfig?: string | undefined;
  /** Where kubeadm puts the kubeconfig of a control-plane node. */
  readonly adminConf?: string;
  /**
   * Addresses that are not there before this daemon has asked the API who shall have them: an API server at one of these is asked
   * at 127.0.0.1 instead (kubeadm writes the control plane's address into every kubeconfig). Its certificate must still be for
   * the address, or name, in the kubeconfig.
   */
  readonly virtualIps?: readonly Ip[];
  /** Names of such addresses: an API server at one of these is asked at 127.0.0.1 whatever a resolver says. */
  readonly virtualNames?: readonly string[];
  /** On a control-plane node: the port of its own API server, which is asked first wherever the kubeconfig points to. */
  readonly localPort?: number | undefined;
  /** `https://host:port` instead of the server named there. */
  readonly server?: string | undefined;
}

/** One way to the API: a server, and who we are there. */
export interface Credentials {
  readonly server: URL;
  /** Where they come from: a file, or `service account`. */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Makes an agent that connects with these certificates and keeps connections open between requests. */
  createAgent(): Agent;
  /** The same text for the same server, certificates and token. */
  readonly fingerprint: string;
}

export type CredentialsResult =
  /** In the order in which they are tried; at least one. */
  { readonly ok: true; readonly routes: readonly Credentials[] } | { readonly ok: false; readonly detail: string };

/**
 * Reads the credentials as they are now. The first that work are used: those of the kubeconfig; where that is kubeadm's, beside it
 * super-admin.conf, which has rights while admin.conf has none yet; and without a name also the pod's service account. Each asks this
 * node's own API server first. Does not throw: what is wrong comes back as a sentence.
 */
export async function loadCredentials(
  source: CredentialSource,
  names: HostNames,
  clock: Clock,
): Promise<CredentialsResult> {
  let problem: string | undefined;
  // Beside each other: each may wait for a resolver or a program.
  const found = await Promise.allSettled(identitiesOf(source).map((from) => routesOf(from, source, names, clock)));
  const routes = found.flatMap((one) => {
    if (one.status === 'fulfilled') return one.value;
    problem ??= one.reason instanceof Error ? one.reason.message : String(one.reason);
    return [];
  });
  if (routes.length > 0) return { ok: true, routes };
  const where = source.kubeconfig === undefined ? '' : `${source.kubeconfig} (kubernetes.kubeconfig, --kubeconfig): `;
  return { ok: false, detail: `${where}${problem}` };
}

/** Kubeconfig files, and `undefined` for the service account. What `readKubeConfig` says about the first counts if there is none. */
function identitiesOf({ kubeconfig, adminConf = kubeadmConf }: CredentialSource): readonly (string | undefined)[] {
  const first = kubeconfig ?? adminConf;
  const superAdmin = join(dirname(first), 'super-admin.conf');
  const files = [first, ...(basename(first) === 'admin.conf' ? [superAdmin] : [])].filter((file) => existsSync(file));
  if (files.length === 0) return isInPod() ? [undefined] : [first];
  return kubeconfig === undefined && isInPod() ? [...files, undefined] : files;
}

async function routesOf(
  file: string | undefined,
  source: CredentialSource,
  names: HostNames,
  clock: Clock,
): Promise<readonly Credentials[]> {
  const config = file === undefined ? serviceAccount() : readFileConfig(file, source.kubeconfig !== undefined);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig has no cluster in its current context');
  const named = new URL(source.server ?? cluster.server);
  if (named.protocol !== 'https:') throw new Error(`the API server must be https: ${named.href}`);
  const options = await optionsOf(config, clock);
  const { ca, cert, key, passphrase, pfx, servername, rejectUnauthorized } = options;
  const tls = dropAbsent({ ca, cert, key, passphrase, pfx, servername, rejectUnauthorized });
  const headers = headersOf(options);
  // The library builds an agent that goes through the cluster's proxy-url; only then is it the one to use.
  const proxied = cluster.proxyUrl === undefined ? undefined : (options.agent as Agent);
  const targets =
    proxied === undefined ? await targetsOf(named, source, names) : [{ server: named, identity: undefined }];
  return targets.map(({ server, identity }) => {
    const identified = identity === undefined ? {} : identifiedAs(servername ?? identity);
    return {
      server,
      origin: file ?? 'service account',
      headers,
      createAgent: () =>
        proxied ?? new Agent({ ...tls, ...identified, lookup: names.lookup, keepAlive: true, maxFreeSockets: 4 }),
      fingerprint: JSON.stringify([server.href, identity, headers, tls, cluster.proxyUrl]),
    };
  });
}

/** These run a program and stop the whole process until it has ended; kubectl has not had them since 1.26. */
const blocking = ['gcp', 'azure', 'exec'];

/** Who we are, in the words of node:https. */
async function optionsOf(config: KubeConfig, clock: Clock): Promise<RequestOptions> {
  readFilesOf(config);
  const options: RequestOptions = {};
  const user = config.getCurrentUser();
  const provider: unknown = user?.authProvider?.name;
  if (typeof provider === 'string' && blocking.includes(provider)) {
    throw new Error(`the auth-provider ${provider} of the kubeconfig is no longer supported; use an exec plugin`);
  }
  const exec = asObject(user?.exec);
  if (exec === undefined) {
    await config.applyToHTTPSOptions(options);
    return options;
  }
  const { token, certificate, key } = await runExecPlugin(exec, clock);
  const encoded = (pem: string) => Buffer.from(pem).toString('base64');
  config.users = config.users.map((each) => {
    if (each !== user) return each;
    const { exec: _run, ...rest } = each;
    return {
      ...rest,
      ...(certificate === undefined ? {} : { certData: encoded(certificate) }),
      ...(key === undefined ? {} : { keyData: encoded(key) }),
      ...(token === undefined || rest.token ? {} : { token }),
    };
  });
  await config.applyToHTTPSOptions(options);
  return options;
}

interface Target {
  readonly server: URL;
  /** Whom it must be, where that is not the host of its address. */
  readonly identity: string | undefined;
}

/**
 * This node's own API server, and the one in the kubeconfig, unless that is behind a virtual address: who has that is what the API is
 * to be asked.
 */
async function targetsOf(
  named: URL,
  { virtualIps = [], virtualNames = [], localPort, server }: CredentialSource,
  names: HostNames,
): Promise<readonly Target[]> {
  const host = named.hostname.replace(/^\[|\]$/g, '');
  const isOwnName = virtualNames.some((name) => plain(name) === plain(host));
  const found = isIP(host) || isOwnName ? [parseIp(host)] : await addressesOf(host, names);
  const ip = found.find((each) => each !== undefined && virtualIps.includes(each));
  const isVirtual = isOwnName || ip !== undefined;
  const asked: Target = { server: named, identity: undefined };
  const ports = server === undefined && localPort !== undefined ? [String(localPort)] : [];
  if (isVirtual) ports.push(named.port);
  const local = [...new Set(ports)].map((port) => {
    const own = new URL(named);
    own.port = port;
    own.hostname = ip === undefined || familyOf(ip) === 4 ? '127.0.0.1' : '[::1]';
    return { server: own, identity: host };
  });
  return isVirtual ? local : [...local, asked];
}

/** A name that does not resolve, or has not yet, is nobody's virtual address. */
async function addressesOf(host: string, names: HostNames): Promise<readonly Ip[]> {
  const answer = await names.find(host);
  return answer.ok ? answer.ips : [];
}

/** Names are the same in capitals, and with the root's dot. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** What every certificate of kube-apiserver carries, whatever address a kubeconfig has for it. */
const serviceName = 'kubernetes.default.svc';

/** RFC 6066 allows no address as a server name: for one, only the certificate is checked. */
function identifiedAs(identity: string): AgentOptions {
  return {
    servername: isIP(identity) ? '' : identity,
    checkServerIdentity(_host, certificate) {
      const error = checkServerIdentity(identity, certificate);
      return error === undefined || checkServerIdentity(serviceName, certificate) === undefined ? undefined : error;
    },
  };
}

/** The CA certificates of a cluster in PEM; without one, kubectl takes those of the system (`undefined`). */
export type ClusterCa =
  | { readonly ok: true; readonly pem: string | undefined }
  | { readonly ok: false; readonly detail: string };

/**
 * Reads what the API server's certificate is verified with, as it is now; runs no program and reads no token that the kubeconfig
 * names. Does not throw: what is wrong comes back as a sentence.
 */
export function loadClusterCa(source: CredentialSource): ClusterCa {
  try {
    const cluster = readKubeConfig(source.kubeconfig, source.adminConf ?? kubeadmConf).getCurrentCluster();
    if (cluster === null) return { ok: false, detail: 'the kubeconfig has no cluster in its current context' };
    if (cluster.caFile !== undefined) return { ok: true, pem: readRegularFile(cluster.caFile).toString('utf8') };
    if (cluster.caData !== undefined) return { ok: true, pem: Buffer.from(cluster.caData, 'base64').toString() };
    return cluster.skipTLSVerify
      ? { ok: false, detail: 'the kubeconfig has no CA: it says insecure-skip-tls-verify' }
      : { ok: true, pem: undefined };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    // Tokens come from files, which may end in a newline.
    if (value !== undefined) headers[name] = String(value).trim();
  }
  if (typeof options.auth === 'string') {
    headers.Authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  return headers;
}

function dropAbsent<T extends object>(record: T): Partial<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
}
