/**
 * Bad input from a person: a machine file, a table, a command line. Carries a stable code, a typed context, and a
 * message that says what is wrong, where, and what to write instead. What guest software or a device does wrong is
 * never one of these: that is an architectural fault.
 */
export class DmascopeError extends Error {
  override readonly name = 'DmascopeError'
  /** Stable and documented, e.g. `ACPI_TRUNCATED` or `QEMU_UNKNOWN_DEVICE`. */
  readonly code: string
  readonly context: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, context: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.context = context
  }
}
