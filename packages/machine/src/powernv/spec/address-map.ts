/** Where a POWER9 chip has its PCI host bridges: skiboot's phys-map.c, table of Nimbus. */
const MEM32_BASE = 0x6_00c0_0000_0000
const MEM32_SIZE = 0x8000_0000
const MEM64_SIZE = 0x40_0000_0000
const MEM64_BASES = [
  0x6_0000_0000_0000, 0x6_0040_0000_0000, 0x6_0080_0000_0000, 0x6_0200_0000_0000, 0x6_0240_0000_0000,
  0x6_0280_0000_0000,
]
const ESB_BASE = 0x6_00c3_0000_0000
const ESB_SIZE = 0x2000_0000
const REGISTERS_BASE = 0x6_00c3_c000_0000
const REGISTERS_SIZE = 0x10_0000
/** 32-bit messages take the top of the 32-bit window. */
const MSI32_SIZE = 0x1_0000

/** Host bridges of a chip: indexes 0 to 5. */
export const HOST_BRIDGES = MEM64_BASES.length

/** Interrupt sources of the chip below this are its bridges', from the top down, aligned to how many each has. */
const SOURCES_END = 0xf_fff0
const LARGE_SOURCES = 0x1000
const SMALL_SOURCES = 0x800
/** The last eight sources of a bridge are no messages'; the first four of these are its pins'. */
const RESERVED_SOURCES = 8

export interface PhbPlace {
  readonly index: number
  readonly registers: { readonly base: number; readonly size: number }
  /** Memory below 4 GiB on the bus, at a place of its own for the processor. */
  readonly mem32: { readonly base: number; readonly bus: number; readonly size: number }
  /** Memory above it, at the same address for both. */
  readonly mem64: { readonly base: number; readonly bus: number; readonly size: number }
  /** Pages of event state buffers, two of 64 KiB a source. */
  readonly esb: { readonly base: number; readonly size: number }
  /** Partitionable endpoints; the first bridge of a controller with one, or with three, has twice as many. */
  readonly endpoints: number
  /** Windows in the 64-bit memory: M64 BARs. */
  readonly mem64Bars: number
  readonly firstSource: number
  readonly messages: number
  /** Interrupt source of INTA; INTB to INTD follow. */
  readonly firstLsi: number
}

/** QEMU's `big_phb`. */
const isLarge = (index: number): boolean => index === 0 || index === 3

const sourcesOf = (index: number): number => (isLarge(index) ? LARGE_SOURCES : SMALL_SOURCES)

/** The bridges of a chip that has these, by their indexes, ascending. @throws RangeError for one that none has */
export function phbPlaces(indexes: readonly number[]): PhbPlace[] {
  let end = SOURCES_END
  return indexes.map((index) => {
    const count = sourcesOf(index)
    end = Math.floor((end - count) / count) * count
    return phbPlace(index, end)
  })
}

function phbPlace(index: number, firstSource: number): PhbPlace {
  if (!(index >= 0 && index < HOST_BRIDGES)) {
    throw new RangeError(`a chip has host bridges 0 to ${HOST_BRIDGES - 1}, got ${index}`)
  }
  const large = isLarge(index)
  const messages = sourcesOf(index) - RESERVED_SOURCES
  const mem64 = MEM64_BASES[index]!
  return {
    index,
    registers: { base: REGISTERS_BASE + index * REGISTERS_SIZE, size: REGISTERS_SIZE },
    mem32: { base: MEM32_BASE + index * MEM32_SIZE, bus: 0x8000_0000, size: MEM32_SIZE - MSI32_SIZE },
    mem64: { base: mem64, bus: mem64, size: MEM64_SIZE },
    esb: { base: ESB_BASE + index * ESB_SIZE, size: ESB_SIZE },
    endpoints: large ? 512 : 256,
    mem64Bars: large ? 32 : 16,
    firstSource,
    messages,
    firstLsi: firstSource + messages,
  }
}

/** 64-bit messages are writes to bus addresses with bit 60 set; so many bytes of them are decoded. */
export const MSI64_HI = 0x1000_0000
export const MSI64_LAST = 0xf_ffff

/** Thread interrupt management area of XIVE: four pages of 64 KiB. */
export const XIVE_TM_BASE = 0x6_0302_0318_0000

/** What OPAL keeps of memory for itself. */
export const OPAL_MEMORY = { base: 0x3000_0000, size: 0x500_0000 } as const
