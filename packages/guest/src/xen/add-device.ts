import { HYPERVISOR, PHYSDEV_PCI_DEVICE_ADD, PHYSDEVOP } from '@dmascope/xen/spec'
import type { PciFunction } from '../pci/pci-function.ts'
import type { XenCalls } from './xen-calls.ts'

/** Tells Xen of a function that the domain found, as Linux does of each (`xen_add_device`). */
export function addDeviceToXen(calls: XenCalls, fn: PciFunction, log: (line: string) => void): void {
  const asked = new DataView(new ArrayBuffer(PHYSDEV_PCI_DEVICE_ADD.size))
  const { seg, bus, devfn } = PHYSDEV_PCI_DEVICE_ADD.fields
  seg.set(asked, 0, fn.segment)
  bus.set(asked, 0, fn.bus)
  devfn.set(asked, 0, (fn.device << 3) | fn.function)
  const code = calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.pci_device_add, asked)
  if (code !== 0) log(`xen: ${fn.id}: PHYSDEVOP_pci_device_add answers ${code}`)
}
