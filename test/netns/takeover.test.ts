import { describe } from 'node:test';
import type { Family } from '../../src/net/ip.js';
import { describeTakeover } from './takeover.js';

const modes = ['proxy', 'nftables'];
const families: readonly Family[] = [4, 6];

describe('what a leader makes of its host', { concurrency: 1 }, () => {
  for (const mode of modes) for (const family of families) describeTakeover({ mode, family, patience: 15_000 });
});
