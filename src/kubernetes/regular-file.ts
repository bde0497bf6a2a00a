import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Reads a file, and throws for what is none: whoever opens a FIFO waits for its writer, and the whole process with it. */
export function readRegularFile(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) {
      throw new Error(`${path} is not a regular file: a FIFO, a device or a folder is not read; give a plain file`);
    }
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
