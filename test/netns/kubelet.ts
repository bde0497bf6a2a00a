import { join } from 'node:path';
import { parse } from 'yaml';
import { askStatus } from '../../src/admin/client.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import type { Host } from '../../src/lab/network.js';
import type { DaemonStatus } from '../../src/vip/status.js';
import { program } from './program.js';

/** The part of a Pod's spec that a kubelet turns into a process here. */
interface PodSpec {
  readonly serviceAccountName?: string;
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  readonly volumes?: readonly { readonly name: string; readonly hostPath: { readonly path: string } }[];
  readonly containers: readonly [Container];
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly Variable[];
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly capabilities?: { readonly add: readonly string[]; readonly drop?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
}

/** A machine that runs pods with the network of the host. */
export interface KubeletNode {
  readonly host: Host;
  /** As the cluster knows it. */
  readonly name: string;
  /** As the machine knows it. */
  readonly hostName: string;
  /** Which file is at a path of the host. */
  readonly files: Readonly<Record<string, string>>;
  /** What is in /etc/hosts: a line each. */
  readonly hosts: readonly string[];
  /** The folder with token, ca.crt and namespace of the pod's service account, if it has one. */
  readonly serviceAccount?: string;
  /** Of the Service `kubernetes`, which every container is told. */
  readonly apiServer: { readonly host: string; readonly port: number };
}

/** vipd in a container of its own. */
export interface StartedPod extends Daemon {
  /** The socket, seen from outside the container. */
  readonly adminSocket: string;
  /** What vipd says of itself; undefined when it does not answer. */
  status(): Promise<DaemonStatus | undefined>;
}

/** What a container may without being told: the default of the container runtimes. */
const defaultCapabilities = [
  ...['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'net_bind_service'],
  ...['net_raw', 'sys_chroot', 'mknod', 'audit_write', 'setfcap'],
];

/** The spec of the pod of a manifest: a Pod, or whatever has a template of one. */
export function podSpecOf(manifest: string): PodSpec {
  const { spec } = parse(manifest, { version: '1.1' });
  return spec.template?.spec ?? spec;
}

/** The environment of the container on this node; of two variables with one name the later counts. */
export function environmentOf({ containers: [container] }: PodSpec, node: string): Record<string, string> {
  const fields: Readonly<Record<string, string>> = { 'spec.nodeName': node };
  return Object.fromEntries(
    container.env.map(({ name, value, valueFrom }) => {
      const text = valueFrom === undefined ? value : fields[valueFrom.fieldRef.fieldPath];
      if (typeof text !== 'string') throw new Error(`the kubelet of these tests cannot fill in ${name}`);
      return [name, text];
    }),
  );
}

/**
 * Starts the container of a manifest as a kubelet would, with another image: that of vipd, whose entry point is the program. It has its
 * own /etc, /run and host name, the mounts of the manifest, and the capabilities that are left to it.
 * @param log the file to which its output is appended
 */
export async function startPod(manifest: string, node: KubeletNode, log: string): Promise<StartedPod> {
  const pod = podSpecOf(manifest);
  const [container] = pod.containers;
  const { privileged = false, capabilities } = container.securityContext;
  const aliases = (pod.hostAliases ?? []).map(({ ip, hostnames }) => `${ip} ${hostnames.join(' ')}`);
  const sources = new Map((pod.volumes ?? []).map(({ name, hostPath }) => [name, node.files[hostPath.path]]));
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath }): readonly [string, string] => {
    const source = sources.get(name);
    if (source === undefined) throw new Error(`${node.name} has no file for the volume ${name}`);
    return [source, mountPath];
  });
  if (pod.serviceAccountName !== undefined) {
    if (node.serviceAccount === undefined) throw new Error(`no token for the account ${pod.serviceAccountName}`);
    const files = ['token', 'ca.crt', 'namespace'];
    const at = (name: string) => join('/run/secrets/kubernetes.io/serviceaccount', name);
    for (const name of files) mounts.push([join(node.serviceAccount, name), at(name)]);
  }
  const environment = {
    PATH: process.env.PATH,
    KUBERNETES_SERVICE_HOST: node.apiServer.host,
    KUBERNETES_SERVICE_PORT: String(node.apiServer.port),
    ...environmentOf(pod, node.name),
  };
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const script = `
    mount --make-rprivate /
    echo '${node.hostName}' > /proc/sys/kernel/hostname
    mount -t tmpfs tmpfs /etc
    mount -t tmpfs tmpfs /run
    echo 'hosts: files dns' > /etc/nsswitch.conf
    printf '%s\\n' '127.0.0.1 localhost' ${[...node.hosts, ...aliases].map((line) => `'${line}'`).join(' ')} > /etc/hosts
    ${mounts.map(([from, to]) => `mkdir -p "$(dirname '${to}')"; touch '${to}'; mount --bind '${from}' '${to}'`).join('\n')}
    ${privileged ? '' : 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys'}
    exec ${privileged ? '' : confinement(capabilities)} env -i "$@"`;
  const words = [...variables, program.node, program.script, ...container.args];
  const daemon = await startDaemon(
    node.host,
    'unshare',
    ['--mount', '--uts', 'sh', '-ec', script, 'sh', ...words],
    log,
  );
  // The daemon's own /run is seen through its root.
  const adminSocket = `/proc/${daemon.pid}/root/run/vipd/vipd.sock`;
  return {
    ...daemon,
    adminSocket,
    async status() {
      const answer = await askStatus(adminSocket);
      return answer.ok ? answer.status : undefined;
    },
  };
}

function confinement(capabilities: Container['securityContext']['capabilities']): string {
  const kept = capabilities?.drop?.includes('ALL') ? [] : defaultCapabilities;
  const own = [...new Set([...kept, ...(capabilities?.add ?? []).map((name) => name.toLowerCase())])];
  return `setpriv --bounding-set=-all,${own.map((name) => `+${name}`).join(',')} --inh-caps=-all`;
}
