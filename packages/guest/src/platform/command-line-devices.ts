import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import type { PlatformDevice } from './platform-device.ts'

const PARAMETER = 'virtio_mmio.device'
const VALUE = /^(0x[0-9a-f]+|\d+)([kmgtpe])?@(0x[0-9a-f]+|\d+):(\d+)(?::(\d+))?$/i
const SUFFIXES = 'kmgtpe'
/** Interrupts of the ISA bus, which Linux numbers as the bus does. */
const ISA_INTERRUPTS = 16

/**
 * Devices that the command line tells of: `virtio_mmio.device=<size>@<address>:<interrupt>[:<number>]`, as a kernel with
 * CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES reads it (`vm_cmdline_set`).
 *
 * @param inputs - global system interrupts of the ISA bus's, where they are others
 */
export function commandLineDevices(
  { parameters }: Pick<KernelCommandLine, 'parameters'>,
  inputs: ReadonlyMap<number, number> | null,
  log: (line: string) => void,
): PlatformDevice[] {
  let next = 0
  return parameters.flatMap(({ name, value }): PlatformDevice[] => {
    if (name !== PARAMETER) return []
    const [, digits, suffix = '', address, line, number] = VALUE.exec(value ?? '') ?? []
    const size = Number(digits) * 1024 ** (SUFFIXES.indexOf(suffix.toLowerCase() || ' ') + 1)
    const base = Number(address)
    const irq = Number(line)
    if (digits === undefined || irq === 0 || !Number.isSafeInteger(base + size)) {
      log(`virtio_mmio: '${name}=${value ?? ''}' is invalid for parameter 'device'`)
      return []
    }
    if (number !== undefined) next = Number(number)
    const gsi = inputs === null ? (irq < ISA_INTERRUPTS ? irq : undefined) : inputs.get(irq)
    const id = `virtio-mmio.${next++}`
    log(
      `virtio-mmio: Registering device ${id} at 0x${base.toString(16)}-0x${(base + size - 1).toString(16)}, IRQ ${irq}.`,
    )
    return [
      {
        id,
        compatible: ['virtio-mmio'],
        base,
        size,
        // As the ISA bus has it.
        interrupt: gsi === undefined ? null : { number: gsi, trigger: 'edge' },
        coherent: true,
        source: `${PARAMETER} on the command line`,
        iommu: 'no table puts an IOMMU in front of the device',
        behind: null,
      },
    ]
  })
}
