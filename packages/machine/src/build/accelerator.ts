import type { MachineDescription } from '../description.ts'
import { isOn } from './switches.ts'

export const isKvm = (machine: MachineDescription): boolean => machine.machineProperties.accel === 'kvm'

/** Whether KVM emulates the I/O APIC too, which keeps its messages from being remapped: so unless told otherwise. */
export function hasKernelIrqchip(machine: MachineDescription): boolean {
  const { 'kernel-irqchip': given, type } = machine.machineProperties
  // One machine type had another default.
  return isKvm(machine) && (given === undefined ? type !== 'pc-q35-4.0' : isOn(given))
}
