import { run } from '../netns/network-namespace.js';
import { describeTakeover } from '../netns/takeover.js';
import { inDebianKernel } from './debian-kernel.js';
import { slowLease } from './leases.js';

const mode = 'ipvs';
const healthCheck = { interval: '5s', fastInterval: '2s', timeout: '5s' };

inDebianKernel(import.meta.filename, () => {
  // The kernel settings of IPVS are there once its module is: they are to be seen before vipd comes, too.
  run('modprobe', '-a', 'ip_vs', 'ip_vs_rr');
  describeTakeover({ mode, family: 4, patience: 60_000, every: 1000, healthCheck, settings: slowLease });
});
