import { DmascopeError, nearestName } from '@dmascope/layout'
import type { CacheGeometry } from '../coherency/data-cache.ts'
import type { ReadAheadGeometry } from '../coherency/read-ahead-cache.ts'
import type { InboundWindow } from '../inbound/inbound-windows.ts'
import { type AddressBlock, BANK_BYTES, CORE_REGISTERS } from './spec/address-map.ts'

/** One of the two processors of a BCM3384, and the system that Linux is told of when it runs there. */
export interface Processor {
  readonly name: string
  /** PRId, of a revision that Linux knows the kind by. */
  readonly id: number
  /** Where its control registers are; 0 where none of them are modelled. */
  readonly controlBase: number
  /** `compatible` of the tree’s root. */
  readonly chip: readonly string[]
  /** `mips-hpt-frequency`. */
  readonly timerFrequency: number
  /** Memory that is Linux's: banks, which are filled evenly, each up to its size. */
  readonly banks: readonly AddressBlock[]
  /** How the UBUS sees memory; at its own address where null. */
  readonly windows: readonly InboundWindow[] | null
  /** The words of the peripherals' interrupt controller. */
  readonly interruptWords: readonly number[]
  readonly dataCache: CacheGeometry
  /** Lines that the data cache fetches behind one that it missed. */
  readonly speculativeLines: number
  readonly readAhead: ReadAheadGeometry | null
}

const MIB = 0x10_0000

/**
 * DEVIATION: shapes of data caches are what Linux prints of such cores; how far they fetch ahead, and the shape of the
 * read-ahead cache, is published nowhere and is ours.
 */
const PROCESSORS: readonly Processor[] = [
  {
    // Zephyr: two threads, of which one runs.
    name: 'bmips5000',
    id: 0x0002_5a11,
    controlBase: 0,
    chip: ['brcm,bcm3384', 'brcm,bcm33843'],
    timerFrequency: 100_000_000,
    banks: [{ base: 0, size: 2 * BANK_BYTES }],
    windows: [
      { bus: 0, memory: BANK_BYTES, size: BANK_BYTES },
      { bus: BANK_BYTES, memory: 0, size: BANK_BYTES },
    ],
    interruptWords: [0x14e0_0038, 0x14e0_0340],
    dataCache: { sets: 256, ways: 4, lineBytes: 32 },
    speculativeLines: 1,
    readAhead: null,
  },
  {
    // Viper, which the cable modem's own software runs on; Linux gets a part of memory.
    name: 'bmips4350',
    id: 0x0002_a075,
    controlBase: CORE_REGISTERS.base,
    chip: ['brcm,bcm3384-viper', 'brcm,bcm33843-viper'],
    timerFrequency: 300_000_000,
    banks: [
      { base: 0x0600_0000, size: 32 * MIB },
      { base: 0x0e00_0000, size: 32 * MIB },
    ],
    windows: null,
    interruptWords: [0x14e0_0048, 0x14e0_0350],
    dataCache: { sets: 1024, ways: 2, lineBytes: 16 },
    speculativeLines: 0,
    readAhead: { blocks: 64, blockBytes: 64, ahead: 1 },
  },
]

/** @throws DmascopeError MACHINE_PROCESSOR */
export function processorOf(name = PROCESSORS[0]!.name): Processor {
  const found = PROCESSORS.find((one) => one.name === name)
  if (found !== undefined) return found
  const names = PROCESSORS.map((one) => one.name)
  const nearest = nearestName(name, names)
  throw new DmascopeError(
    'MACHINE_PROCESSOR',
    `a bcm3384 has no processor ${name}${nearest === null ? '' : `; did you mean ${nearest}?`}; it has ${names.join(' and ')}`,
    { cpu: name, nearest },
  )
}
