import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../time/clock.js';
import { kubeconfigText } from './api/kubeconfig.js';
import { createAuthority } from './certificates.js';
import type { ClusterApi } from './cluster-api.js';
import { startDaemon } from './daemon.js';
import { execute } from './execute.js';
import type { Network } from './network.js';

/** Whether the folder has etcd and kube-apiserver. */
export function hasRealApi(assets: string): boolean {
  return existsSync(join(assets, 'etcd')) && existsSync(join(assets, 'kube-apiserver'));
}

/**
 * The real thing: etcd in the switch's namespace and kube-apiserver on every node.
 * @param assets the folder of the two programs
 * @param address the switch's own address
 * @param folder where keys, data and logs go
 */
export async function startRealClusterApi(
  network: Network,
  { assets, address, folder, clock }: { assets: string; address: string; folder: string; clock: Clock },
): Promise<ClusterApi> {
  const authority = await createAuthority('vipd lab', clock.wall());
  const token = randomBytes(16).toString('hex');
  const file = (name: string) => join(folder, name);
  const write = (name: string, content: string) => writeFile(file(name), content, { mode: 0o600 });
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await write('tokens.csv', `${token},admin,admin,system:masters\n`);
  await write('accounts.pub', keys.publicKey);
  await write('accounts.key', keys.privateKey);
  const kubeconfig = file('kubeconfig');
  const server = 'https://127.0.0.1:6443';
  await write('kubeconfig', kubeconfigText({ server, caPem: authority.caPem, token }));

  const etcd = `http://${address}:2379`;
  const data = file('etcd');
  await mkdir(data, { mode: 0o700 });
  await startDaemon(
    network.switch,
    join(assets, 'etcd'),
    [
      ...['--data-dir', data, '--unsafe-no-fsync'],
      ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd],
      ...['--listen-peer-urls', 'http://127.0.0.1:2380', '--logger', 'zap'],
    ],
    file('etcd.log'),
  );
  const version = await execute(join(assets, 'kube-apiserver'), ['--version']);
  return {
    kind: 'real',
    description: `etcd and kube-apiserver, ${version.trim()}`,
    kubeconfig,
    token,
    async startServer(host) {
      const { name, ip } = host;
      const certificate = await authority.issue({ commonName: name, ips: ['127.0.0.1', ip], dnsNames: [name] });
      await write(`${name}.crt`, certificate.certPem);
      await write(`${name}.key`, certificate.keyPem);
      const options = {
        'etcd-servers': etcd,
        'bind-address': '0.0.0.0',
        'secure-port': 6443,
        'advertise-address': ip,
        'endpoint-reconciler-type': 'none',
        'tls-cert-file': file(`${name}.crt`),
        'tls-private-key-file': file(`${name}.key`),
        'token-auth-file': file('tokens.csv'),
        'authorization-mode': 'RBAC',
        'service-account-issuer': 'https://kubernetes.default.svc',
        'service-account-key-file': file('accounts.pub'),
        'service-account-signing-key-file': file('accounts.key'),
        'service-cluster-ip-range': '10.78.0.0/24',
      };
      const flags = Object.entries(options).map(([flag, value]) => `--${flag}=${value}`);
      return startDaemon(host, join(assets, 'kube-apiserver'), flags, file(`${name}.api.log`));
    },
  };
}
