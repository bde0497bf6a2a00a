import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDaemon } from '../../src/lab/daemon.js';
import { execute } from '../../src/lab/execute.js';
import type { Host } from '../../src/lab/network.js';
import { until } from '../netns/poll.js';
import type { Container } from './containers.js';

/** A container of a Pod with `hostNetwork`, as the manifest words it. */
export interface PodContainer {
  /** The image's files. */
  readonly image: string;
  readonly user: number;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  /** Folders and files of this host, by their place in the container. */
  readonly mounts: Readonly<Record<string, string>>;
}

/**
 * Starts it by runc, with the specification that containerd 1.6 writes for a Pod with `readOnlyRootFilesystem` and without
 * `allowPrivilegeEscalation`: the capabilities are permitted and effective, but neither inheritable nor ambient. The folder of the
 * socket is what it makes of the image's VOLUME.
 * @param folder an empty one
 */
export async function startAsContainerd(pod: PodContainer, host: Host, folder: string): Promise<Container> {
  const socketFolder = join(folder, 'volume');
  await mkdir(socketFolder);
  await chown(socketFolder, 0, 65532);
  await chmod(socketFolder, 0o775);
  const specification = specificationOf({ ...pod, mounts: { ...pod.mounts, '/run/vipd': socketFolder } });
  await writeFile(join(folder, 'config.json'), JSON.stringify(specification));
  const runc = (...words: readonly string[]) => ['--root', join(folder, 'state'), ...words];
  const { namespace: id } = host;
  const daemon = await startDaemon(host, 'runc', runc('run', '--bundle', folder, id), join(folder, 'log'));
  const pid = await until(
    async () => {
      if (!daemon.running()) throw new Error(await readFile(daemon.log, 'utf8'));
      const state = await execute('runc', runc('state', id)).catch(() => '{}');
      const { status, pid } = JSON.parse(state);
      return status === 'running' && Number(pid);
    },
    { what: 'the container' },
  );
  return {
    pid,
    exec: (...command) => execute('runc', runc('exec', id, ...command)),
    async stop() {
      daemon.signal('SIGTERM');
      return (await daemon.ended).code ?? -1;
    },
    log: () => readFile(daemon.log, 'utf8'),
  };
}

function specificationOf({ image, user, command, environment, capabilities, mounts }: PodContainer): object {
  const names = capabilities.map((name) => `CAP_${name}`);
  const bind = (source: string, destination: string, ...options: readonly string[]) => ({
    ...{ source, destination, type: 'bind' },
    options: ['rbind', ...options],
  });
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: user, gid: user },
      args: command,
      env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      cwd: '/',
      capabilities: { bounding: names, effective: names, permitted: names },
      noNewPrivileges: true,
    },
    root: { path: image, readonly: true },
    mounts: [
      { source: 'proc', destination: '/proc', type: 'proc' },
      { source: 'tmpfs', destination: '/dev', type: 'tmpfs', options: ['nosuid', 'mode=755'] },
      bind('/sys', '/sys', 'ro'),
      ...Object.entries(mounts).map(([destination, source]) => bind(source, destination)),
    ],
    // No network: the Pod has the host's.
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      readonlyPaths: ['/proc/sys'],
      cgroupsPath: '/vipd-test',
    },
  };
}
