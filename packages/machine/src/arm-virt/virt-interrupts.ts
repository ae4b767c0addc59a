import { DmascopeError } from '@dmascope/layout'
import { isOff, isOn } from '../build/switches.ts'
import type { MachineDescription, PropertyValue } from '../description.ts'
import { isTypeBefore } from './type-version.ts'
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
  maxCpus = cpus,
  machineProperties: { 'gic-version': written, its, msi, virtualization, accel, type },
}: MachineDescription): Pick<VirtFacts, 'gic' | 'msi' | 'announcesIts'> {
  // Newer releases take a GICv3 where a GICv2 would not serve all processors.
  const asked = written ?? (qemuVersion !== '7.2' && maxCpus > MOST_CPUS[2] ? '3' : '2')
  if (asked === 'host' && accel !== 'kvm') {
    throw refuse('gic-version=host requires KVM; write gic-version=3', { 'gic-version': asked })
  }
  if (asked === '4' && !isOn(virtualization)) {
    const words =
      qemuVersion === '7.2'
        ? 'gic-version=4 requires virtualization enabled'
        : 'tcg does not support GICv4 emulation, is virtualization=on?'
    throw refuse(`${words}; write gic-version=3`, { 'gic-version': asked })
  }
  // What a GICv4 has more is for guests of the guest.
  const gic = asked === '2' ? 2 : 3
  if (maxCpus > MOST_CPUS[gic]) {
    throw refuse(
      `Number of SMP CPUs requested (${maxCpus}) exceeds max CPUs supported by machine 'mach-virt' (${MOST_CPUS[gic]})`,
      { maxCpus },
    )
  }
  if (cpus > FIRST_REGION_CPUS) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `${cpus} processors: those beyond ${FIRST_REGION_CPUS} have redistributors above RAM, which are not modelled; write -smp ${FIRST_REGION_CPUS} or less`,
      { cpus },
    )
  }
  const controller = messagesOf(gic, { qemuVersion, its, msi, type })
  const announcesIts =
    controller === 'its' || qemuVersion === '7.2' || ((msi === undefined || msi === 'auto') && !isOff(its))
  return { gic, msi: controller, announcesIts: gic === 3 && announcesIts }
}

/** `msi` counts before `its`. Types up to 6.1 have no ITS of their own accord. */
function messagesOf(
  gic: VirtFacts['gic'],
  { qemuVersion, its, msi, type }: Pick<MachineDescription, 'qemuVersion'> & Readonly<Record<string, unknown>>,
): VirtFacts['msi'] {
  const older = qemuVersion === '7.2'
  if (msi === 'none' || msi === 'off') return 'none'
  const wanted = msi === 'its' || (msi === undefined && its !== undefined && isOn(its as PropertyValue))
  if (gic === 2) {
    if (wanted && !older) {
      throw refuse('GICv2 + ITS is an invalid configuration.; write gic-version=3', { its, msi })
    }
    return 'gicv2m'
  }
  if (msi === 'gicv2m') return 'gicv2m'
  if (msi === undefined && isOff(its as PropertyValue | undefined)) return 'none'
  return isTypeBefore(type, [6, 2]) && !(wanted && !older) ? 'none' : 'its'
}
