import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Options } from 'yargs';
import { variable } from '../config/environment.js';
import { type LoadedSettings, loadSettings, type Sources } from '../config/load.js';
import { configFlag, environmentName } from '../config/schema.js';
import type { Printed, WorkloadChoices } from '../manifest/manifest.js';
import { type Arguments, type CliIo, type Command, refuseUsage, warn } from './command.js';
import { exitCodes } from './exit-codes.js';
import { settingsOptions, sourcesOf } from './settings-options.js';

// Flags by the names that people have in scripts written for kube-vip. Its settings are among `settingsOptions`.
const image: Options = {
  type: 'string',
  requiresArg: true,
  describe: 'The image of vipd; without a tag, that of this version. [default: localhost/vipd]',
};
const inCluster: Options = { type: 'boolean', describe: 'Use the service account vipd, not a kubeconfig of the node.' };
const taint: Options = { type: 'boolean', describe: 'Run on the control-plane nodes, whatever their taints.' };

export const manifestPod: Command = {
  words: ['manifest', 'pod'],
  describe: 'print a static Pod for control-plane nodes',
  options: { image, inCluster, ...settingsOptions },
  run: (args, io) => printPod(args, io, false),
};

export const manifestKubeadm: Command = {
  words: ['manifest', 'kubeadm'],
  describe: 'print the static Pod for kubeadm: on the first node before kubeadm init, else for kubeadm join',
  operand: { name: 'phase', describe: 'init or join' },
  options: { image, inCluster, ...settingsOptions },
  async run(args, io) {
    const { phase } = args;
    if (phase === 'init' || phase === 'join') return printPod(args, io, phase === 'init');
    return refuseUsage(io, [`vipd manifest kubeadm takes init or join, not ${JSON.stringify(phase)}`]);
  },
};

export const manifestDaemonSet: Command = {
  words: ['manifest', 'daemonset'],
  describe: 'print a DaemonSet, with the service account unless a kubeconfig is named',
  options: { image, inCluster, taint, ...settingsOptions },
  async run(args, io) {
    const { daemonSetManifest } = await import('../manifest/manifest.js');
    const choices = { ...workload(args, io), taint: args.taint === true };
    return print(sourcesOf(args, io), io, (loaded) => daemonSetManifest(loaded, choices));
  },
};

export const manifestRbac: Command = {
  words: ['manifest', 'rbac'],
  describe: 'print the service account and the rights that it needs',
  options: {
    role: { type: 'boolean', describe: "kube-vip's: the rights on Leases are a Role in any case." },
    rolebinding: { type: 'boolean', describe: "kube-vip's: likewise." },
    ...settingsOptions,
  },
  async run(args, io) {
    const { rbacManifest } = await import('../manifest/manifest.js');
    return print(withAddress(sourcesOf(args, io)), io, (loaded) => rbacManifest(loaded, io.version));
  },
};

export const manifestSystemd: Command = {
  words: ['manifest', 'systemd'],
  describe: 'print the systemd unit for load-balancer hosts',
  options: {},
  async run(_args, io) {
    io.stdout.write(await readFile(fileOfPackage('manifests/vipd.service'), 'utf8'));
    return exitCodes.ok;
  },
};

async function printPod(args: Arguments, io: CliIo, isFirstNode: boolean): Promise<number> {
  const { podManifest } = await import('../manifest/manifest.js');
  const choices = { ...workload(args, io), isFirstNode };
  return print(sourcesOf(args, io), io, (loaded) => podManifest(loaded, choices));
}

/** Prints the manifest, or nothing and what is wrong. */
async function print(sources: Sources, io: CliIo, manifest: (loaded: LoadedSettings) => Printed): Promise<number> {
  // What this host is called says nothing about the nodes, nor does the pod that this may run in.
  const loaded = await loadSettings({ ...sources, hostname: 'node', namespaceFile: '/dev/null' });
  if (!loaded.ok) return refuseUsage(io, loaded.problems);
  const printed = manifest(loaded);
  if (!printed.ok) return refuseUsage(io, printed.problems);
  warn(io, loaded.warnings);
  io.stdout.write(printed.text);
  return exitCodes.ok;
}

function workload(args: Arguments, io: CliIo): WorkloadChoices {
  return {
    image: args.image === undefined ? undefined : String(args.image),
    version: io.version,
    configFile: configFile(sourcesOf(args, io)),
    inCluster: args.inCluster === true,
  };
}

function configFile({ flags, environment }: Sources): string | undefined {
  const flag = flags[configFlag];
  return flag === undefined ? variable(environment, environmentName(configFlag)) : String(flag);
}

/** Rights do not depend on the address, so none need be given: then one for documentation (RFC 5737) stands for it. */
function withAddress(sources: Sources): Sources {
  const { flags, environment } = sources;
  const isGiven = flags.address ?? variable(environment, environmentName('address')) ?? configFile(sources);
  return isGiven === undefined ? { ...sources, flags: { ...flags, address: '192.0.2.1' } } : sources;
}

/** A file that is packed with vipd: one folder above the bundle, some above compiled tests. */
function fileOfPackage(path: string): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const file = join(folder, path);
    if (existsSync(file)) return file;
    if (dirname(folder) === folder) throw new Error(`${path} is not where vipd is installed; install the package anew`);
  }
}
