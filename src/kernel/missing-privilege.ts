/** The process lacks a capability that it needs (capabilities(7)). The message names it and says how to give it. */
export class MissingPrivilege extends Error {
  readonly capability: string;

  /**
   * @param capability by name without `CAP_`: `NET_ADMIN`
   * @param purpose what it is needed for, to follow "to": `put the VIP on an interface`
   */
  constructor(capability: string, purpose: string, options?: ErrorOptions) {
    super(
      `the capability CAP_${capability} is missing, which is needed to ${purpose}; run as root, or add ${capability} to the capabilities of the unit or container`,
      options,
    );
    this.name = 'MissingPrivilege';
    this.capability = capability;
  }
}
