import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/**
 * Runs a command to its end and returns what it printed. Throws an Error that names the command and quotes its complaint.
 * @param input what the command reads on its standard input
 */
export async function execute(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  // A command that ends without reading its input breaks the pipe; its exit status tells the story.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [output, complaint, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0)
    throw new Error(`${[command, ...args].join(' ')} (${status}): ${complaint.trim() || output.trim()}`);
  return output;
}
