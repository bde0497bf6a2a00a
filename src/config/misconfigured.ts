/** The settings are well-formed, but do not fit this host. The message names the setting and the mend. */
export class Misconfigured extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Misconfigured';
  }
}
