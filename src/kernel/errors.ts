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
