import type { MachineDescription, TableEditDescription } from '@dmascope/machine'
import type { IommuState } from './platforms.ts'

/** What a state makes of the machine, beside the words on the kernel's command line. */
export interface StateOfIommu {
  readonly name: IommuState
  /** One line, for lists. */
  readonly summary: string
  readonly change?: Pick<MachineDescription, 'launch' | 'tables'>
  /** Only a machine has it that is nobody's guest: why. */
  readonly physicalOnly?: string
}

/** Bytes of a DMAR: its first unit's record begins behind the header, the width and the flags. */
const DRHD = 0x30
const DRHD_LENGTH = DRHD + 2
const DRHD_BASE = DRHD + 8

const breakDmar = (offset: number, ...bytes: number[]): TableEditDescription => ({
  table: 'DMAR',
  index: 0,
  patches: [{ offset, bytes: Uint8Array.from(bytes) }],
  checksum: 'mend',
  location: { text: 'IOMMU state' },
})

const TXT = {
  change: { launch: 'tboot' },
  physicalOnly: 'no hypervisor gives its guests Intel TXT',
} as const

/** Every state that a cell can have. */
export const STATES: readonly StateOfIommu[] = [
  { name: 'none', summary: 'there is no IOMMU' },
  { name: 'on', summary: 'the guest translates with it' },
  { name: 'pt', summary: 'the guest passes all through it' },
  { name: 'off', summary: 'the guest leaves it off' },
  { name: 'uncovered', summary: 'the devices’ bus is wired past it, and the tables say so' },
  { name: 'txt', summary: 'Intel TXT: a launch by tboot closed memory to devices before the kernel runs', ...TXT },
  { name: 'txt-off', summary: 'the same, and the kernel is told to leave it off', ...TXT },
  {
    name: 'txt-noforce',
    summary: 'the same, and the kernel is told not to be forced (intel_iommu=tboot_noforce)',
    ...TXT,
  },
  {
    name: 'broken-base',
    summary: 'the tables put its registers at address 0',
    change: { tables: [breakDmar(DRHD_BASE, 0, 0, 0, 0, 0, 0, 0, 0)] },
  },
  {
    name: 'broken-record',
    summary: 'the record of it in the tables runs past their end',
    change: { tables: [breakDmar(DRHD_LENGTH, 0xff, 0xff)] },
  },
]

export const stateOf = (name: IommuState): StateOfIommu => STATES.find((state) => state.name === name)!
