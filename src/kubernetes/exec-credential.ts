import { spawn } from 'node:child_process';
import { env, kill } from 'node:process';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { inTime } from './in-time.js';
import { asObject, type JsonObject, parseObject } from './json.js';

/** Longer than a slow cloud's answer; whoever hangs is killed then. */
const patience = millis(10_000);
const outputLimit = 1024 * 1024;

/** What a credential plugin gave: PEM texts and a token. */
export interface ExecCredential {
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/**
 * Runs the program of a kubeconfig's `exec` (client.authentication.k8s.io) as kubectl does, without a terminal. Throws an Error of one
 * sentence. After 10 s the program and its children are killed.
 */
export async function runExecPlugin(exec: JsonObject, clock: Clock): Promise<ExecCredential> {
  const { command, args, apiVersion } = exec;
  if (typeof command !== 'string' || command === '') throw new Error("the kubeconfig's exec has no command");
  const own = (Array.isArray(exec.env) ? exec.env : []).map((entry) => [entry?.name, entry?.value]);
  const information = { kind: 'ExecCredential', apiVersion, spec: { interactive: false } };
  const child = spawn(command, Array.isArray(args) ? args.map(String) : [], {
    env: { ...env, KUBERNETES_EXEC_INFO: JSON.stringify(information), ...Object.fromEntries(own) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, to be killed as one.
    detached: true,
  });
  const closed = new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (status, signal) => resolve(status ?? signal ?? 'killed'));
  });
  const [output, complaint] = [collect(child.stdout), collect(child.stderr)];
  const end = await inTime(clock, plus(clock.now(), patience), closed);
  const name = `${command} (exec of the kubeconfig)`;
  if (end === 'late') {
    killGroup(child.pid);
    child.stdout.destroy();
    child.stderr.destroy();
    throw new Error(`${name} gave no credentials in ${patience / 1000} s and was killed`);
  }
  if (end !== 0) throw new Error(`${name} failed: ${[end, complaint()].join(' ').trim()}`);
  const status = asObject(parseObject(output())?.status);
  if (status === undefined) throw new Error(`${name} printed no ExecCredential with a status`);
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  return {
    token: text(status.token),
    certificate: text(status.clientCertificateData),
    key: text(status.clientKeyData),
  };
}

/** @param stream undefined when there were no descriptors left for it (node:child_process) */
function collect(stream: NodeJS.ReadableStream | undefined): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (piece: string) => {
    if (text.length < outputLimit) text += piece;
  });
  return () => text;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: all have ended.
  }
}
