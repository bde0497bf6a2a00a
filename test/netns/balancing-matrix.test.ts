import { describe } from 'node:test';
import type { Family } from '../../src/net/ip.js';
import { describeMatrix } from './matrix.js';

const modes = ['proxy', 'nftables'];
const families: readonly Family[] = [4, 6];

describe('balancing', { concurrency: 1 }, () => {
  for (const mode of modes) {
    for (const family of families) describeMatrix({ mode, family, every: 5, timeout: 5000, patience: 10_000 });
  }
});
