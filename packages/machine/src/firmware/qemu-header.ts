import type { SdtHeader } from '@dmascope/acpi'

/** QEMU gives every table these IDs. */
export const qemuHeader = (revision: number): SdtHeader => ({
  revision,
  oemId: 'BOCHS ',
  oemTableId: 'BXPC    ',
  oemRevision: 1,
  creatorId: 'BXPC',
  creatorRevision: 1,
})
