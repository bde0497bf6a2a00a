import { describeFailures } from '../netns/failures.js';
import { inDebianKernel } from './debian-kernel.js';
import { steadyLease } from './leases.js';

const mode = 'ipvs';
const times = { interval: 6000, fastInterval: 1500, timeout: 6000, fall: 3, rise: 2 };
const pace = { connectEvery: 100, timeout: 10_000, patience: 90_000 };

inDebianKernel(import.meta.filename, () => {
  describeFailures({ mode, family: 4, times, ...pace, settings: steadyLease });
});
