import { describe } from 'node:test';
import type { Family } from '../../src/net/ip.js';
import { describeFailures } from './failures.js';

const modes = ['proxy', 'nftables'];
const families: readonly Family[] = [4, 6];
const times = { interval: 600, fastInterval: 100, timeout: 500, fall: 3, rise: 2 };
const pace = { connectEvery: 4, timeout: 3000, patience: 15_000 };

describe('a backend that fails', { concurrency: 1 }, () => {
  for (const mode of modes) for (const family of families) describeFailures({ mode, family, times, ...pace });
});
