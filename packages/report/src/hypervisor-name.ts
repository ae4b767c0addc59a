import type { HypervisorName, MachineDescription } from '@dmascope/machine'

/** Whose rules a machine follows, by name. */
export function hypervisorName({ hypervisor = 'qemu' }: Pick<MachineDescription, 'hypervisor'>): HypervisorName {
  return typeof hypervisor === 'string' ? hypervisor : hypervisor.name
}
