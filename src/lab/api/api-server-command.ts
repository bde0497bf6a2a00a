import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificate } from '../certificates.js';

export interface ApiServerCommand {
  /** The folder of the programs. */
  readonly programs: string;
  /** Has ca.pem and service-account.key. */
  readonly folder: string;
  readonly etcd: string;
  /** The address that it is called by. */
  readonly host: string;
  /** Listen on every address. */
  readonly everywhere: boolean;
  readonly port: number;
  readonly certificate: Certificate;
  /** Where the certificate is put. */
  readonly own: string;
  readonly flags: readonly string[];
}

/** Writes what kube-apiserver reads as it starts, and gives the command that starts it. */
export async function prepareApiServer(options: ApiServerCommand): Promise<readonly [string, ...string[]]> {
  const { programs, folder, etcd, host, everywhere, port, certificate, own, flags } = options;
  await mkdir(own, { recursive: true });
  await writeFile(join(own, 'server.pem'), certificate.certPem);
  await writeFile(join(own, 'server.key'), certificate.keyPem, { mode: 0o600 });
  return [
    join(programs, 'kube-apiserver'),
    `--etcd-servers=${etcd}`,
    `--bind-address=${everywhere ? '0.0.0.0' : host}`,
    `--advertise-address=${host}`,
    `--secure-port=${port}`,
    `--cert-dir=${own}`,
    `--tls-cert-file=${join(own, 'server.pem')}`,
    `--tls-private-key-file=${join(own, 'server.key')}`,
    `--client-ca-file=${join(folder, 'ca.pem')}`,
    '--authorization-mode=RBAC',
    // As kubeadm has it.
    '--allow-privileged=true',
    `--service-account-key-file=${join(folder, 'service-account.key')}`,
    `--service-account-signing-key-file=${join(folder, 'service-account.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-cluster-ip-range=10.255.0.0/24',
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
    ...flags,
  ];
}

/** What every API server of a cluster has: the CA that clients come with, and the key of service accounts. */
export async function writeClusterKeys(folder: string, { caPem }: { readonly caPem: string }): Promise<void> {
  await writeFile(join(folder, 'ca.pem'), caPem);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const serviceKey = privateKey.export({ type: 'sec1', format: 'pem' });
  await writeFile(join(folder, 'service-account.key'), serviceKey, { mode: 0o600 });
}
