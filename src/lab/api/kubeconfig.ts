import type { Certificate } from '../certificates.js';

export type KubeconfigOptions = {
  /** `https://host:port` */
  readonly server: string;
  readonly caPem: string;
} & ({ readonly token: string } | { readonly certificate: Certificate });

/** A kubeconfig file that logs in with a bearer token, or with a client's certificate as kubeadm's do. */
export function kubeconfigText(options: KubeconfigOptions): string {
  const { server, caPem } = options;
  const user =
    'token' in options
      ? `token: ${options.token}`
      : `client-certificate-data: ${base64(options.certificate.certPem)}
      client-key-data: ${base64(options.certificate.keyPem)}`;
  return `apiVersion: v1
kind: Config
clusters:
  - name: lab
    cluster:
      server: ${server}
      certificate-authority-data: ${base64(caPem)}
users:
  - name: admin
    user:
      ${user}
contexts:
  - name: lab
    context: { cluster: lab, user: admin }
current-context: lab
`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
