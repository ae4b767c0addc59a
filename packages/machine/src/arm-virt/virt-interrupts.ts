import { DmascopeError } from '@dmascope/layout'
import { isOff, isOn } from '../build/switches.ts'
import type { MachineDescription } from '../description.ts'
import type { VirtFacts } from './virt-facts.ts'

/** Processors that a GICv2 serves, and those that the redistributors' space holds. */
const MOST_CPUS = { 2: 8, 3: 512 } as const

/** Redistributors that fit below the UART. */
const FIRST_REGION_CPUS = 123

const refuse = (message: string, context: Readonly<Record<string, unknown>>): DmascopeError =>
  new DmascopeError('MACHINE_REFUSED', message, context)

/**
 * The interrupt controllers that `gic-version`, `its` and `msi` ask for.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function interruptsOf({
  qemuVersion,
  cpus,
  machineProperties: { 'gic-version': asked = '2', its, msi, virtualization, accel, type },
}: MachineDescription): Pick<VirtFacts, 'gic' | 'msi'> {
  if (asked === 'host' && accel !== 'kvm') {
    throw refuse('gic-version=host requires KVM; write gic-version=3', { 'gic-version': asked })
  }
  if (asked === '4' && !isOn(virtualization)) {
    throw refuse('gic-version=4 requires -machine virtualization=on; write gic-version=3', { 'gic-version': asked })
  }
  // What a GICv4 has more is for guests of the guest.
  const gic = asked === '2' ? 2 : 3
  if (cpus > MOST_CPUS[gic]) {
    throw refuse(
      `Number of SMP CPUs requested (${cpus}) exceeds max CPUs supported by machine 'mach-virt' (${MOST_CPUS[gic]})`,
      { cpus },
    )
  }
  if (msi !== undefined && qemuVersion === '7.2') {
    throw refuse("Property 'msi' not found; QEMU 7.2 has its=", { msi })
  }
  if (msi === 'none' || msi === 'off') return { gic, msi: 'none' }
  if (cpus > FIRST_REGION_CPUS) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `${cpus} processors: those beyond ${FIRST_REGION_CPUS} have redistributors above RAM, which are not modelled; write -smp ${FIRST_REGION_CPUS} or less`,
      { cpus },
    )
  }
  if (gic === 2) return { gic, msi: 'gicv2m' }
  if (msi === 'gicv2m' || msi === 'its') return { gic, msi }
  if (isOff(its)) return { gic, msi: qemuVersion === '7.2' ? 'none' : 'gicv2m' }
  // Types up to 6.1 keep the emulated GIC without an ITS.
  return { gic, msi: hadNoIts(type) ? 'none' : 'its' }
}

function hadNoIts(type: unknown): boolean {
  const match = /^virt-(\d+)\.(\d+)$/.exec(String(type ?? ''))
  if (match === null) return false
  const major = Number(match[1])
  return major < 6 || (major === 6 && Number(match[2]) < 2)
}
