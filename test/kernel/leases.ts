// An emulated processor is slow, and slower when this machine has other work: what takes a daemon milliseconds elsewhere may take it
// seconds here.

/** Of a VIP that moves in the test. */
export const slowLease = {
  election: { lease: { duration: '20s', renewDeadline: '12s', retryPeriod: '3s' } },
  deadManSwitch: '10s',
} as const;

/** Of a VIP that stays where it is. */
export const steadyLease = {
  election: { lease: { duration: '60s', renewDeadline: '40s', retryPeriod: '5s' } },
  deadManSwitch: '40s',
} as const;
