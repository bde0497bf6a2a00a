import { describeFailures } from '../netns/failures.js';
import { inDebianKernel } from './debian-kernel.js';
import { slowLease } from './slow-lease.js';

const mode = 'ipvs';
const times = { interval: 3000, fastInterval: 1000, timeout: 2500, fall: 3, rise: 2 };
const pace = { connectEvery: 50, timeout: 10_000, patience: 60_000 };

inDebianKernel(import.meta.filename, () => {
  describeFailures({ mode, family: 4, times, ...pace, settings: slowLease });
});
