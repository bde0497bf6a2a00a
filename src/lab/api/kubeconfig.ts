export interface KubeconfigOptions {
  /** `https://host:port` */
  readonly server: string;
  readonly caPem: string;
  readonly token: string;
}

/** A kubeconfig file that logs in with a bearer token. */
export function kubeconfigText({ server, caPem, token }: KubeconfigOptions): string {
  return `apiVersion: v1
kind: Config
clusters:
  - name: lab
    cluster:
      server: ${server}
      certificate-authority-data: ${Buffer.from(caPem).toString('base64')}
users:
  - name: admin
    user:
      token: ${token}
contexts:
  - name: lab
    context: { cluster: lab, user: admin }
current-context: lab
`;
}
