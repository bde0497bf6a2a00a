/** A refusal by Linux: which operation, on what, and the kernel's own word for it (`EPERM`, `ENODEV`, …). */
export class KernelError extends Error {
  readonly operation: string;
  readonly code: string;

  constructor(operation: string, code: string, options?: ErrorOptions) {
    super(`${operation}: ${code}`, options);
    this.name = 'KernelError';
    this.operation = operation;
    this.code = code;
  }
}

/** This host lacks what a task needs, whatever way is tried: why, and what to install or load. */
export class HostLacks extends Error {
  readonly because: string;
  readonly mend: string;

  constructor(because: string, mend: string) {
    super(`${because}: ${mend}`);
    this.name = 'HostLacks';
    this.because = because;
    this.mend = mend;
  }
}
