import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../../src/lab/execute.js';

/** A container that has been started. */
export interface Container {
  /** Of its first process, as this host sees it. */
  readonly pid: number;
  /** Runs a command in it and returns what it printed. */
  exec(...command: readonly string[]): Promise<string>;
  /** Tells it to stop and returns its exit code. */
  stop(): Promise<number>;
  log(): Promise<string>;
}

/** Podman with a store of its own, which goes with the folder; its containers end with it. */
export interface Podman extends AsyncDisposable {
  /** Any command; what it printed. */
  run(...words: readonly string[]): Promise<string>;
  /** Starts a container in the background. */
  start(name: string, ...words: readonly string[]): Promise<Container>;
  /** The files of the image. */
  mount(image: string): Promise<string>;
}

/** Why there can be no containers here, or false. */
export function withoutContainers(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['podman', 'runc', 'buildah'].find((name) => spawnSync(name, ['--version']).error !== undefined);
  return missing !== undefined && `no ${missing} here: run scripts/setup.mjs`;
}

/** @param folder an empty one with a short path: sockets are below it */
export async function createPodman(folder: string): Promise<Podman> {
  const at = (name: string) => join(folder, name);
  await mkdir(at('tmp'));
  // Machines differ in what they let a container have; these limits every one of them does.
  const configuration = `
    [containers]
    default_ulimits = ["nofile=20000:20000", "nproc=1000:1000"]
    log_driver = "k8s-file"
    [engine]
    cgroup_manager = "cgroupfs"
    runtime = "runc"
    events_logger = "none"
    lock_type = "file"
    static_dir = "${at('static')}"
    volume_path = "${at('volumes')}"
    tmp_dir = "${at('tmp')}"
  `;
  await writeFile(at('containers.conf'), configuration);
  const words = ['--root', at('root'), '--runroot', at('run'), '--storage-driver', 'vfs'];
  const run = (...more: readonly string[]) =>
    execute('env', [`CONTAINERS_CONF=${at('containers.conf')}`, 'podman', ...words, ...more]);
  return {
    run,
    async start(name, ...more) {
      await run('run', '--detach', '--name', name, ...more);
      return {
        pid: Number(await run('inspect', '--format', '{{.State.Pid}}', name)),
        exec: (...command) => run('exec', name, ...command),
        async stop() {
          await run('stop', '--time', '20', name);
          return Number(await run('inspect', '--format', '{{.State.ExitCode}}', name));
        },
        log: () => run('logs', name),
      };
    },
    mount: async (image) => (await run('image', 'mount', image)).trim(),
    async [Symbol.asyncDispose]() {
      await run('rm', '--all', '--force', '--time', '0');
      await run('image', 'unmount', '--all');
    },
  };
}
