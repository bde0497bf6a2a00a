import { join } from 'node:path';
import type { Program } from '../../src/lab/client.js';

/** The bundle that users run, as tests start it. */
export const program: Program = {
  node: process.execPath,
  script: join(import.meta.dirname, '../../vipd.js'),
  pid: process.pid,
};
