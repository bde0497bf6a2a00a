export const exitCodes = {
  ok: 0,
  failed: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** What asks the daemon, when none runs. */
  notRunning: 3,
  missingPrivilege: 77,
} as const;
