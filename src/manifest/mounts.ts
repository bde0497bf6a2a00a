import { dirname } from 'node:path/posix';
import type { LoadedSettings } from '../config/load.js';
import type { ApiNeeds } from './access.js';
import { needsApi } from './access.js';

/** A file or folder of the host that the container has. */
export interface Mount {
  readonly name: string;
  readonly hostPath: string;
  readonly mountPath: string;
  readonly type: 'File' | 'Directory' | 'DirectoryOrCreate';
  readonly readOnly: boolean;
}

/** How the daemon reaches the Kubernetes API. */
export type Access = 'none' | 'service-account' | { readonly kubeconfig: string };

/** Where kubeadm has its kubeconfig, and vipd looks for one. */
export const adminConf = '/etc/kubernetes/admin.conf';

export interface MountChoices {
  readonly access: Access;
  /** The configuration file that was named. */
  readonly configFile: string | undefined;
}

export type Mounts =
  | { readonly ok: true; readonly mounts: readonly Mount[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * What the daemon needs of the host's files: kubeconfig, CA and configuration to read, the kernel's settings and the
 * folder of its socket to write.
 * A folder must not give the container more than that.
 */
export function mountsFor({ settings, effective }: LoadedSettings, choices: MountChoices): Mounts {
  const problems: string[] = [];
  const mounts: Mount[] = [];
  const add = (setting: string, mount: Mount) => {
    const { hostPath, type } = mount;
    if (!hostPath.startsWith('/')) {
      problems.push(`${setting}: ${JSON.stringify(hostPath)} is not an absolute path, which mounts need; write one`);
    } else if (type !== 'File' && isShared(hostPath)) {
      problems.push(
        `${setting}: all of ${hostPath} would be mounted into the container; put the file into a folder of its own, such as ${hostPath === '/' ? '' : hostPath}/vipd`,
      );
    } else mounts.push(mount);
  };
  if (typeof choices.access === 'object') {
    const { kubeconfig } = choices.access;
    // One place to edit: who names another file by a flag finds it mounted where vipd looks anyway.
    const isInFile = effective.global.get('kubernetes.kubeconfig')?.origin.kind === 'file';
    const mountPath = isInFile ? kubeconfig : adminConf;
    const mount = { name: 'kubeconfig', hostPath: kubeconfig, mountPath, type: 'File', readOnly: true } as const;
    add('kubernetes.kubeconfig (--kubeconfig, VIPD_KUBECONFIG)', mount);
  }
  if (choices.configFile !== undefined) {
    // Its folder: a file that an editor replaces would stay the old one in the container.
    const hostPath = choices.configFile.startsWith('/') ? dirname(choices.configFile) : choices.configFile;
    const mount = { name: 'config', hostPath, mountPath: hostPath, type: 'Directory', readOnly: true } as const;
    add('--config, VIPD_CONFIG', mount);
  }
  const authorities = settings.vips.flatMap(({ loadBalancer: { mode, healthCheck } }) =>
    mode !== 'off' && healthCheck.type === 'https' && healthCheck.ca !== undefined ? [healthCheck.ca] : [],
  );
  [...new Set(authorities)].forEach((ca, index) => {
    const mount = { name: `ca-${index + 1}`, hostPath: ca, mountPath: ca, type: 'File', readOnly: true } as const;
    add('loadBalancer.healthCheck.ca (--health-check-ca, VIPD_HEALTH_CHECK_CA)', mount);
  });
  if (settings.vips.some(({ loadBalancer: { mode } }) => mode !== 'off' && mode !== 'proxy')) {
    const net = '/proc/sys/net';
    mounts.push({ name: 'sysctls', hostPath: net, mountPath: `/host${net}`, type: 'Directory', readOnly: false });
  }
  const run = dirname(settings.admin.socket);
  const socket = { name: 'run', hostPath: run, mountPath: run, type: 'DirectoryOrCreate', readOnly: false } as const;
  add('admin.socket (--admin-socket, VIPD_ADMIN_SOCKET)', socket);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, mounts };
}

/** A folder that belongs to more than one program: at the top, or kubeadm's, which has the cluster's keys. */
function isShared(folder: string): boolean {
  const parts = folder.split('/').filter((part) => part !== '');
  return parts.length < 2 || parts.join('/') === 'etc/kubernetes' || ['var/run', 'var/lib'].includes(parts.join('/'));
}

/** @param fallback the kubeconfig when the settings name none */
export function accessFor(
  needs: ApiNeeds,
  { settings }: LoadedSettings,
  wanted: { readonly serviceAccount: boolean; readonly fallback: string },
): Access {
  if (!needsApi(needs)) return 'none';
  if (wanted.serviceAccount) return 'service-account';
  return { kubeconfig: settings.kubernetes.kubeconfig ?? wanted.fallback };
}
