import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { asObject } from './json.js';
import { readRegularFile } from './regular-file.js';

export const kubeadmConf = '/etc/kubernetes/admin.conf';
const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

export function isInPod(): boolean {
  return existsSync(serviceAccountToken);
}

/** The kubeconfig; in a pod that has no such file, the service account's. Throws an Error that says what is wrong. */
export function readKubeConfig(configured: string | undefined, adminConf: string): KubeConfig {
  const path = configured ?? adminConf;
  return !existsSync(path) && isInPod() ? serviceAccount() : readFileConfig(path, configured !== undefined);
}

export function serviceAccount(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromCluster();
  return config;
}

export function readFileConfig(path: string, isConfigured: boolean): KubeConfig {
  if (!existsSync(path) && !isConfigured) {
    throw new Error(`neither ${path} nor a pod's service account is here; set kubernetes.kubeconfig (--kubeconfig)`);
  }
  const config = new KubeConfig();
  const text = readRegularFile(path).toString('utf8');
  const users = usersIn(text);
  // The library reads these files as it parses.
  for (const { file } of users) if (file !== undefined) readRegularFile(file);
  config.loadFromString(text);
  config.makePathsAbsolute(dirname(path));
  // kubectl reads a user's `tokenFile`; client-node 1.4 looks for `token-file` only.
  config.users = config.users.map((user) => {
    const tokenFile = users.find(({ name, tokenFile }) => name === user.name && tokenFile !== undefined)?.tokenFile;
    if (tokenFile === undefined) return user;
    return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile: resolve(dirname(path), tokenFile) } } };
  });
  return config;
}

function usersIn(text: string) {
  const content = asObject(parse(text));
  if (content === undefined) throw new Error('it is no kubeconfig');
  const string = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return (Array.isArray(content.users) ? content.users.map(asObject) : []).map((entry) => {
    const user = asObject(entry?.user);
    // A token beside it counts, and the file is not read.
    const file = user?.token ? undefined : string(user?.['token-file']);
    return { name: entry?.name, tokenFile: string(user?.tokenFile), file };
  });
}

/** Puts what the current context's files say into the configuration itself: the library would read them whatever they are. */
export function readFilesOf(config: KubeConfig): void {
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  const base64 = (path: string) => readRegularFile(path).toString('base64');
  config.clusters = config.clusters.map((each) => {
    if (each !== cluster || !each.caFile) return each;
    const { caFile, ...rest } = each;
    return { ...rest, caData: base64(caFile) };
  });
  config.users = config.users.map((each) => {
    if (each !== user) return each;
    const { certFile, keyFile, authProvider, ...rest } = each;
    const tokenFile: unknown = authProvider?.config?.tokenFile;
    return {
      ...rest,
      ...(certFile ? { certData: base64(certFile) } : {}),
      ...(keyFile ? { keyData: base64(keyFile) } : {}),
      ...(typeof tokenFile === 'string' ? { token: readRegularFile(tokenFile).toString('utf8') } : { authProvider }),
    };
  });
}
