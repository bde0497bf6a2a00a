/** Of a VIP: an emulated processor is slow, and what takes a daemon milliseconds elsewhere may take it a second here. */
export const slowLease = {
  election: { lease: { duration: '20s', renewDeadline: '12s', retryPeriod: '3s' } },
  deadManSwitch: '10s',
} as const;
