import { describeMatrix } from '../netns/matrix.js';
import { inDebianKernel } from './debian-kernel.js';

const mode = 'ipvs';
/** One emulated processor is slow: what takes a daemon milliseconds elsewhere takes a second here. */
const settings = {
  election: { lease: { duration: '20s', renewDeadline: '12s', retryPeriod: '3s' } },
  deadManSwitch: '10s',
};

inDebianKernel(import.meta.filename, () => {
  describeMatrix({ mode, family: 4, every: 50, timeout: 10_000, patience: 60_000, settings });
});
