import { readFileSync } from 'node:fs';

/** How many files the text of /proc/PID/limits lets the process have open at once (RLIMIT_NOFILE, the soft limit). */
export function openFilesLimit(limits: string): number {
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
}

/** That of this process, which Node.js has raised to the hard limit. */
export function readOpenFilesLimit(): number {
  return openFilesLimit(readFileSync('/proc/self/limits', 'utf8'));
}
