import type { DeviceRecord } from '../device-record.ts'
import type { Kernel } from '../kernel.ts'
import { setIntx } from '../pci/pci-function.ts'
import { enableMsi, enableMsix } from './message-interrupts.ts'
import type { InterruptHandler } from './vectors.ts'

/**
 * One interrupt for a device: MSI-X where it has it and the platform can deliver it, else MSI, else its pin. Notes in
 * the record which it became and why.
 *
 * @param handler - answers whether the interrupt was the device's
 * @returns null; where there is none at all, why
 */
export function connectInterrupt(kernel: Kernel, record: DeviceRecord, handler: InterruptHandler): string | null {
  const { fn, interrupt } = record
  const counted: InterruptHandler = () => {
    const own = handler()
    if (own) interrupt.delivered++
    return own
  }
  const why: string[] = []
  for (const enable of [() => enableMsix(kernel, fn, 1), () => enableMsi(kernel, fn)]) {
    const found = enable()
    if (typeof found === 'string') {
      why.push(found)
      continue
    }
    found.request(0, counted)
    interrupt.mode = found.mode
    interrupt.remapped = found.messages.some(({ remapped }) => remapped === true)
    record.why(
      `${found.mode === 'msix' ? 'MSI-X' : 'MSI'}, vector 0x${found.vectors[0]!.number.toString(16)}`,
      'pci_alloc_irq_vectors',
    )
    return null
  }
  setIntx(kernel.config, fn, true)
  const pin = kernel.pins.connect(fn, counted)
  if (typeof pin === 'string') return `no interrupt: ${[...why, pin].join('; ')}`
  interrupt.mode = 'intx'
  interrupt.remapped = kernel.iommu.interruptRemapping
  record.why(`interrupts by the pin, GSI ${pin.gsi}: ${why.join('; ')}`, pin.by)
  return null
}
