import { existsSync, readFileSync } from 'node:fs';
import { Agent, type RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { asObject } from './json.js';

const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Where the address of the API server and the proof of who we are come from. */
export interface CredentialSource {
  /**
   * A kubeconfig file; in a pod that has no such file, its service account. Without a name, what kubectl would take:
   * $KUBECONFIG, ~/.kube/config, the service account.
   */
  readonly kubeconfig?: string | undefined;
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
    const config = readKubeConfig(source.kubeconfig);
    const cluster = config.getCurrentCluster();
    if (cluster === null) return { ok: false, detail: 'the kubeconfig has no cluster in its current context' };
    const server = new URL(source.server ?? cluster.server);
    if (server.protocol !== 'https:') return { ok: false, detail: `the API server must be https: ${server.href}` };
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key, passphrase, pfx, servername, rejectUnauthorized } = options;
    const tls = dropAbsent({ ca, cert, key, passphrase, pfx, servername, rejectUnauthorized });
    const headers = headersOf(options);
    // The library builds an agent that goes through the cluster's proxy-url; only then is it the one to use.
    const proxied = cluster.proxyUrl === undefined ? undefined : (options.agent as Agent);
    return {
      ok: true,
      credentials: {
        server,
        headers,
        createAgent: () => proxied ?? new Agent({ ...tls, keepAlive: true, maxFreeSockets: 4 }),
        fingerprint: JSON.stringify([server.href, headers, tls, cluster.proxyUrl]),
      },
    };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function readKubeConfig(path: string | undefined): KubeConfig {
  const config = new KubeConfig();
  if (path === undefined) {
    config.loadFromDefault();
  } else if (!existsSync(path) && existsSync(serviceAccountToken)) {
    config.loadFromCluster();
  } else {
    const text = readFileSync(path, 'utf8');
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
