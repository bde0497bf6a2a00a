import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { checkServerIdentity } from 'node:tls';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { familyOf, type Ip, parseIp } from '../net/ip.js';
import { asObject } from './json.js';

const kubeadmConf = '/etc/kubernetes/admin.conf';
const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

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
  /** `https://host:port` instead of the server named there. */
  readonly server?: string | undefined;
}

export interface Credentials {
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Makes an agent that connects with these certificates and keeps connections open between requests. */
  createAgent(): Agent;
  /** The same text for the same server, certificates and token. */
  readonly fingerprint: string;
}

export type CredentialsResult =
  | { readonly ok: true; readonly credentials: Credentials }
  | { readonly ok: false; readonly detail: string };

/** Reads the credentials as they are now. Does not throw: what is wrong comes back as a sentence. */
export async function loadCredentials(source: CredentialSource): Promise<CredentialsResult> {
  try {
    const config = readKubeConfig(source.kubeconfig, source.adminConf ?? kubeadmConf);
    const cluster = config.getCurrentCluster();
    if (cluster === null) return { ok: false, detail: 'the kubeconfig has no cluster in its current context' };
    const named = new URL(source.server ?? cluster.server);
    if (named.protocol !== 'https:') return { ok: false, detail: `the API server must be https: ${named.href}` };
    const { server, identity } = await localInstead(named, source.virtualIps ?? []);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key, passphrase, pfx, servername, rejectUnauthorized } = options;
    const tls = dropAbsent({ ca, cert, key, passphrase, pfx, servername, rejectUnauthorized });
    const identified = identity === undefined ? {} : identifiedAs(servername ?? identity);
    const headers = headersOf(options);
    // The library builds an agent that goes through the cluster's proxy-url; only then is it the one to use.
    const proxied = cluster.proxyUrl === undefined ? undefined : (options.agent as Agent);
    return {
      ok: true,
      credentials: {
        server,
        headers,
        createAgent: () => proxied ?? new Agent({ ...tls, ...identified, keepAlive: true, maxFreeSockets: 4 }),
        fingerprint: JSON.stringify([server.href, identity, headers, tls, cluster.proxyUrl]),
      },
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const where = source.kubeconfig === undefined ? '' : `${source.kubeconfig} (kubernetes.kubeconfig, --kubeconfig): `;
    return { ok: false, detail: `${where}${problem}` };
  }
}

/** The server on this host where the one in the kubeconfig is behind a virtual address; `identity` is whom it must be then. */
async function localInstead(
  named: URL,
  virtualIps: readonly Ip[],
): Promise<{ readonly server: URL; readonly identity: string | undefined }> {
  const host = named.hostname.replace(/^\[|\]$/g, '');
  // A name that does not resolve is nobody's virtual address.
  const found = isIP(host) ? [{ address: host }] : await lookup(host, { all: true }).catch(() => []);
  const virtual = found
    .map(({ address }) => parseIp(address))
    .find((ip) => ip !== undefined && virtualIps.includes(ip));
  if (virtual === undefined) return { server: named, identity: undefined };
  const server = new URL(named);
  server.hostname = familyOf(virtual) === 4 ? '127.0.0.1' : '[::1]';
  return { server, identity: host };
}

/** RFC 6066 allows no address as a server name: for one, only the certificate is checked. */
function identifiedAs(identity: string): AgentOptions {
  return {
    servername: isIP(identity) ? '' : identity,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(identity, certificate),
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
    if (cluster.caFile !== undefined) return { ok: true, pem: readFileSync(cluster.caFile, 'utf8') };
    if (cluster.caData !== undefined) return { ok: true, pem: Buffer.from(cluster.caData, 'base64').toString() };
    return cluster.skipTLSVerify
      ? { ok: false, detail: 'the kubeconfig has no CA: it says insecure-skip-tls-verify' }
      : { ok: true, pem: undefined };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function readKubeConfig(configured: string | undefined, adminConf: string): KubeConfig {
  const config = new KubeConfig();
  const path = configured ?? adminConf;
  if (!existsSync(path) && existsSync(serviceAccountToken)) {
    config.loadFromCluster();
  } else if (!existsSync(path) && configured === undefined) {
    throw new Error(
      `neither ${adminConf} nor a pod's service account is here; set kubernetes.kubeconfig (--kubeconfig)`,
    );
  } else {
    const text = readFileSync(path, 'utf8');
    if (asObject(parse(text)) === undefined) throw new Error('it is no kubeconfig');
    config.loadFromString(text);
    config.makePathsAbsolute(dirname(path));
    addTokenFiles(config, text, dirname(path));
  }
  return config;
}

/** kubectl reads a user's `tokenFile`; client-node 1.4 looks for `token-file` only. */
function addTokenFiles(config: KubeConfig, text: string, folder: string): void {
  const entries: unknown = asObject(parse(text))?.users;
  const tokenFiles = new Map<unknown, string>();
  for (const entry of Array.isArray(entries) ? entries.map(asObject) : []) {
    const tokenFile = asObject(entry?.user)?.tokenFile;
    if (typeof tokenFile === 'string') tokenFiles.set(entry?.name, resolve(folder, tokenFile));
  }
  config.users = config.users.map((user) => {
    const tokenFile = tokenFiles.get(user.name);
    return tokenFile === undefined ? user : { ...user, authProvider: { name: 'tokenFile', config: { tokenFile } } };
  });
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
