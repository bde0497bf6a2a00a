import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** Where finished lines go. Never throws and never waits. */
export interface LogOutput {
  /** False when the line could not be taken and is lost. */
  write(line: string): boolean;
}

/** What may wait inside for a slow reader before lines are dropped. */
const longestQueue = 256 << 10;

/**
 * Writes to an open file descriptor: a pipe or socket whose reader is slow or gone, a terminal that is stopped, a full disk: none of
 * them may hold up the daemon, whose VIP would go.
 * @param stream Node's stream for the descriptor; writes to pipes and sockets (the kinds that keep a queue) go through it
 */
export function openLogOutput(fd: number, stream: Writable): LogOutput {
  const kind = fstatSync(fd);
  return {
    write: kind.isFIFO() || kind.isSocket() ? toStream(stream) : toFile(kind.isFile() ? fd : withoutWaiting(fd)),
  };
}

function toStream(stream: Writable): (line: string) => boolean {
  let isBroken = false;
  // EPIPE: nobody reads any more, and nobody will. (Node would try again and again with its standard streams.)
  stream.on('error', () => {
    isBroken = true;
  });
  return (line) => {
    if (isBroken || stream.writableLength + line.length > longestQueue) return false;
    stream.write(line);
    return true;
  };
}

function toFile(fd: number): (line: string) => boolean {
  let rest = Buffer.alloc(0);
  return (line) => {
    // What the terminal took only half of comes first, or its end would stand in another line.
    if (rest.length > 0) rest = rest.subarray(writeSome(fd, rest));
    if (rest.length > 0) return false;
    const bytes = Buffer.from(line);
    const written = writeSome(fd, bytes);
    if (written > 0) rest = bytes.subarray(written);
    return written > 0;
  };
}

function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch {
    return 0;
  }
}

/** The same terminal opened anew with O_NONBLOCK, so that others who have it open keep theirs as it is. */
function withoutWaiting(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
}
