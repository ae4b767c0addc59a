import { DmascopeError } from '@dmascope/layout'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PinInterrupts } from './pin-interrupts.ts'

/**
 * Interrupt pins of a kernel that was told `noapic`: Linux has them by way of the 8259, which nothing here models. What
 * such a device would do cannot be told; one with MSI does not ask.
 */
export class NoApicPins implements PinInterrupts {
  /** @throws DmascopeError GUEST_NOT_MODELLED naming the function */
  connect(fn: PciFunction): string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    throw new DmascopeError(
      'GUEST_NOT_MODELLED',
      `noapic leaves ${fn.id} with the 8259 for its interrupt pin, which is not modelled; leave noapic out, or give the device MSI`,
      { parameter: 'noapic', device: fn.id },
    )
  }
}
