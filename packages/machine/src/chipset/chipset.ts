import { bits, field, reg8, registers } from '@dmascope/layout'
import type { AddressSpace, Region } from '@dmascope/memory'
import { romRegion } from '@dmascope/memory'
import { type ConfigSpace, Msi, type PciFunction, type RootComplex, readOnlyImage, registerImage } from '@dmascope/pci'
import type { BoardFunction } from '../board/board.ts'
import { AhciFunction } from './ahci-function.ts'
import { BIOS_ROM_BASE, biosRom, lowBiosRom } from './bios-rom.ts'
import { ICH9_ROUTING, type InterruptRouting, PIIX3_ROUTING } from './interrupt-routing.ts'
import { type RomPart, romParts, ShadowMap } from './shadow.ts'
import { StaticFunction } from './static-function.ts'

/** What a machine type brings with it, whatever devices are added. */
export interface Chipset {
  readonly routing: InterruptRouting
  /** The root bus's name, as `bus=` takes it. */
  readonly rootBusName: 'pcie.0' | 'pci.0'
  readonly express: boolean
  /** RAM below this address; the rest continues at 4 GiB. */
  lowRamEnd(memoryBytes: number): number
  /** Functions on the root bus. */
  readonly functions: readonly BoardFunction[]
}

const QEMU_SUBSYSTEM = { subsystemVendorId: 0x1af4, subsystemId: 0x1100 }

const PAM = registers('PAM', '82441FX §3.2.13', {
  PAM0: reg8(0, 'rw'),
  PAM1: reg8(1, 'rw'),
  PAM2: reg8(2, 'rw'),
  PAM3: reg8(3, 'rw'),
  PAM4: reg8(4, 'rw'),
  PAM5: reg8(5, 'rw'),
  PAM6: reg8(6, 'rw'),
})

/** The low byte of PCIEXBAR: enable, and the length of the window (Q35 MCH §5.1.16). */
const PCIEXBAR_LOW = bits(8, 'PCIEXBAR', 'Q35 MCH §5.1.16', {
  PCIEXBAREN: field(0, 'rw'),
  LENGTH: field([2, 1], 'rw', { 0: '256 MiB', 1: '128 MiB', 2: '64 MiB' }),
})
const PCIEXBAR = registers('PCIEXBAR', 'Q35 MCH §5.1.16', {
  BYTE0: reg8(0, 'ro', PCIEXBAR_LOW),
  BYTE1: reg8(1, 'ro'),
  BYTE2: reg8(2, 'ro'),
  BYTE3: reg8(3, 'rw'),
  BYTE4: reg8(4, 'rw'),
  BYTE5: reg8(5, 'ro'),
  BYTE6: reg8(6, 'ro'),
  BYTE7: reg8(7, 'ro'),
})
const PCIEXBAR_OFFSET = 0x60
const Q35_PAM_OFFSET = 0x90
const I440FX_PAM_OFFSET = 0x58
const PIRQ_ROUTES = registers('PIRQRC', 'PIIX3 §2.2.6', {
  A: reg8(0, 'rw'),
  B: reg8(1, 'rw'),
  C: reg8(2, 'rw'),
  D: reg8(3, 'rw'),
})

const MIB = 0x10_0000
const GIB = 0x4000_0000

/** Images that functions copy. */
const PCIEXBAR_IMAGE = registerImage(PCIEXBAR)
const PAM_IMAGE = registerImage(PAM, {}, 8)
const PIRQ_IMAGE = registerImage(PIRQ_ROUTES)
/** PAM starts at 0x59 on a 440FX; the byte before it is the DRAM timing register. */
const I440FX_PAM_IMAGE = withLeadingByte(registerImage(PAM))
/** The SATA capability, revision 1.0: index and data registers are in BAR 4. */
const SATA_IMAGE = readOnlyImage(Uint8Array.of(0x12, 0, 0x10, 0, 0x48, 0, 0, 0))

function createMch(): PciFunction {
  const host = new StaticFunction({ vendorId: 0x8086, deviceId: 0x29c0, classCode: 0x06_0000, ...QEMU_SUBSYSTEM })
  host.config.addRegisters(PCIEXBAR_OFFSET, PCIEXBAR_IMAGE)
  host.config.addRegisters(Q35_PAM_OFFSET, PAM_IMAGE)
  return host
}

function createLpc(): PciFunction {
  const lpc = new StaticFunction({
    vendorId: 0x8086,
    deviceId: 0x2918,
    classCode: 0x06_0100,
    revisionId: 2,
    multifunction: true,
    ...QEMU_SUBSYSTEM,
  })
  lpc.config.addRegisters(0x60, PIRQ_IMAGE)
  lpc.config.addRegisters(0x68, PIRQ_IMAGE)
  return lpc
}

function createAhci(): PciFunction {
  const ahci = new AhciFunction({
    vendorId: 0x8086,
    deviceId: 0x2922,
    classCode: 0x01_0601,
    revisionId: 2,
    multifunction: true,
    interruptPin: 1,
    bars: [
      { bar: 4, kind: 'io', size: 0x20 },
      { bar: 5, kind: 'memory32', size: 0x1000 },
    ],
    ...QEMU_SUBSYSTEM,
  })
  ahci.config.addCapability(0x12, SATA_IMAGE, 0xa8)
  new Msi(ahci.config, { offset: 0x80 })
  return ahci
}

const createSmbus = (): PciFunction =>
  new StaticFunction({
    vendorId: 0x8086,
    deviceId: 0x2930,
    classCode: 0x0c_0500,
    revisionId: 2,
    multifunction: true,
    interruptPin: 1,
    bars: [{ bar: 4, kind: 'io', size: 0x40 }],
    ...QEMU_SUBSYSTEM,
  })

/** Intel's Q35 with ICH9, as QEMU's `q35` has it. */
export const Q35: Chipset = {
  routing: ICH9_ROUTING,
  rootBusName: 'pcie.0',
  express: true,
  // QEMU leaves 2 GiB below, or 2.75 GiB where all memory fits there.
  lowRamEnd: (memoryBytes) => Math.min(memoryBytes, memoryBytes >= 0xb000_0000 ? 2 * GIB : 0xb000_0000),
  functions: [
    { device: 0, fn: 0, model: 'mch', create: createMch },
    { device: 31, fn: 0, model: 'ICH9-LPC', create: createLpc },
    { device: 31, fn: 2, model: 'ich9-ahci', create: createAhci },
    { device: 31, fn: 3, model: 'ICH9-SMB', create: createSmbus },
  ],
}

function createI440fx(): PciFunction {
  const host = new StaticFunction({
    vendorId: 0x8086,
    deviceId: 0x1237,
    classCode: 0x06_0000,
    revisionId: 2,
    ...QEMU_SUBSYSTEM,
  })
  host.config.addRegisters(I440FX_PAM_OFFSET, I440FX_PAM_IMAGE)
  return host
}

function createPiix3(): PciFunction {
  const isa = new StaticFunction({
    vendorId: 0x8086,
    deviceId: 0x7000,
    classCode: 0x06_0100,
    multifunction: true,
    ...QEMU_SUBSYSTEM,
  })
  isa.config.addRegisters(0x60, PIRQ_IMAGE)
  return isa
}

const createIde = (): PciFunction =>
  new StaticFunction({
    vendorId: 0x8086,
    deviceId: 0x7010,
    classCode: 0x01_0180,
    bars: [{ bar: 4, kind: 'io', size: 0x10 }],
    ...QEMU_SUBSYSTEM,
  })

const createPm = (): PciFunction =>
  new StaticFunction({
    vendorId: 0x8086,
    deviceId: 0x7113,
    classCode: 0x06_8000,
    revisionId: 3,
    interruptPin: 1,
    ...QEMU_SUBSYSTEM,
  })

/** Intel's 440FX with PIIX3, as QEMU's `pc` has it. */
export const I440FX: Chipset = {
  routing: PIIX3_ROUTING,
  rootBusName: 'pci.0',
  express: false,
  lowRamEnd: (memoryBytes) => Math.min(memoryBytes, memoryBytes >= 0xe000_0000 ? 3 * GIB : 0xe000_0000),
  functions: [
    { device: 0, fn: 0, model: 'i440FX', create: createI440fx },
    { device: 1, fn: 0, model: 'PIIX3', create: createPiix3 },
    { device: 1, fn: 1, model: 'piix3-ide', create: createIde },
    { device: 1, fn: 3, model: 'PIIX4_PM', create: createPm },
  ],
}

function withLeadingByte(image: ReturnType<typeof registerImage>): ReturnType<typeof registerImage> {
  const shifted = (bytes: ArrayLike<number>): Uint8Array => Uint8Array.from([0, ...Array.from(bytes)])
  return { bytes: shifted(image.bytes), writeMask: shifted(image.writeMask), clearMask: shifted(image.clearMask) }
}

/** The ROM's regions, which all machines share: nobody writes to them. */
let romRegions: { readonly top: Region; readonly lowAt: RomPart } | null = null

function biosRegions(): { readonly top: Region; readonly lowAt: RomPart } {
  if (romRegions !== null) return romRegions
  const low = lowBiosRom()
  romRegions = {
    top: romRegion('bios', BIOS_ROM_BASE, biosRom()),
    lowAt: romParts((base, size) =>
      romRegion('bios below 1 MiB', base, low.subarray(base - 0xc_0000, base - 0xc_0000 + size)),
    ),
  }
  return romRegions
}

/** Lays the firmware's ROM out: below 4 GiB always, below 1 MiB as the attribute map says. */
export function placeBiosRom(chipset: Chipset, host: ConfigSpace, spaces: readonly AddressSpace[]): ShadowMap {
  const { top, lowAt } = biosRegions()
  for (const space of spaces) space.add(top)
  return new ShadowMap(host, chipset.express ? Q35_PAM_OFFSET : I440FX_PAM_OFFSET + 1, spaces, lowAt)
}

/** Keeps the ECAM's window where PCIEXBAR puts it. */
export function followPciexbar(host: ConfigSpace, root: RootComplex, spaces: readonly AddressSpace[]): void {
  let taken: (() => void)[] = []
  host.onWrite(PCIEXBAR_OFFSET, 8, () => {
    for (const take of taken) take()
    const low = host.peek(PCIEXBAR_OFFSET, 4)
    const { PCIEXBAREN, LENGTH } = PCIEXBAR_LOW.fields
    if (PCIEXBAREN.get(low) === 0 || LENGTH.get(low) === 3) {
      taken = []
      return
    }
    const base = (low & 0xf000_0000) >>> 0
    const high = (host.peek(PCIEXBAR_OFFSET + 4, 4) & 0xf) * 0x1_0000_0000
    const region = {
      name: 'ECAM',
      base: high + base,
      size: (256 * MIB) >>> LENGTH.get(low),
      kind: 'mmio' as const,
      handler: root.createEcam(),
    }
    taken = spaces.map((space) => space.add(region))
  })
}
