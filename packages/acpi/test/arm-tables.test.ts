import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  buildDbg2,
  buildGtdt,
  buildPptt,
  buildSpcr,
  type Dbg2,
  type Gtdt,
  type Pptt,
  parseDbg2,
  parseGtdt,
  parsePptt,
  parseSpcr,
  sdtHeader,
} from '../src/index.ts'
import { tableOf } from './annotated-hex.ts'
import { header, u8, u16, u32, u64, withoutPositions } from './arbitraries.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const timer = fc.record({
  gtFrameNumber: u8,
  gtxPhysicalAddress: u64,
  gtxEl0PhysicalAddress: u64,
  gtxPhysicalTimerGsiv: u32,
  gtxPhysicalTimerFlags: u32,
  gtxVirtualTimerGsiv: u32,
  gtxVirtualTimerFlags: u32,
  gtxCommonFlags: u32,
})
const platformTimer: fc.Arbitrary<Gtdt['platformTimers'][number]> = fc.oneof(
  fc.record({
    kind: fc.constant('gt-block'),
    gtBlockPhysicalAddress: u64,
    gtBlockTimerCount: u32,
    gtBlockTimerOffset: u32,
    timers: fc.array(timer, { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('watchdog'),
    refreshFramePhysicalAddress: u64,
    watchdogControlFramePhysicalAddress: u64,
    watchdogTimerGsiv: u32,
    watchdogTimerFlags: u32,
  }),
)

describe('GTDT', () => {
  const fixed = '00000000'.repeat(15)
  const watchdog = '01 1c00 00 0000452a00000000 0000442a00000000 5b000000 00000000'

  test('of revision 2: a platform timer stands where revision 3 has the virtual timer of EL2', () => {
    const bytes = tableOf('GTDT', `${fixed} ${watchdog}`)
    bytes[8] = 2
    const table = parseGtdt(bytes)
    expect(table.virtualEl2TimerGsiv).toBeUndefined()
    expect(table.platformTimers).toMatchObject([{ kind: 'watchdog', offset: 96, watchdogTimerGsiv: 91 }])
  })

  test('of revision 3: behind it', () => {
    const bytes = tableOf('GTDT', `${fixed} 1c000000 02000000 ${watchdog}`)
    bytes[8] = 3
    expect(parseGtdt(bytes)).toMatchObject({
      virtualEl2TimerGsiv: 28,
      virtualEl2TimerFlags: 2,
      platformTimers: [{ kind: 'watchdog', offset: 104 }],
    })
  })

  test('reads what it builds', () => {
    const table = fc
      .record({
        signature: fc.constant('GTDT' as const),
        header,
        cntControlBasePhysicalAddress: u64,
        secureEl1TimerGsiv: u32,
        secureEl1TimerFlags: u32,
        nonSecureEl1TimerGsiv: u32,
        nonSecureEl1TimerFlags: u32,
        virtualEl1TimerGsiv: u32,
        virtualEl1TimerFlags: u32,
        el2TimerGsiv: u32,
        el2TimerFlags: u32,
        cntReadBasePhysicalAddress: u64,
        platformTimerCount: u32,
        platformTimerOffset: u32,
        platformTimers: fc.array(platformTimer, { maxLength: 3 }),
      })
      .map(
        (made): Gtdt =>
          made.header.revision < 3 ? made : { ...made, virtualEl2TimerGsiv: 28, virtualEl2TimerFlags: 1 },
      )
    fc.assert(
      fc.property(table, (made) => {
        const read = parseGtdt(buildGtdt(made))
        expect(read.problems).toEqual([])
        expect(withoutPositions(read)).toEqual(withoutPositions(made))
      }),
      { numRuns },
    )
  })
})

describe('PPTT', () => {
  test('a cache of before revision 3 has no ID', () => {
    const bytes = tableOf('PPTT', '01 18 0000 7f000000 00000000 00800000 00010000 02 0a 4000')
    expect(parsePptt(bytes).records).toEqual([
      {
        kind: 'cache',
        offset: 36,
        flags: 0x7f,
        nextLevelOfCache: 0,
        size: 0x8000,
        numberOfSets: 256,
        associativity: 2,
        attributes: 10,
        lineSize: 64,
      },
    ])
  })

  test('more resources than fit are told of, and nothing of the bytes is lost', () => {
    const bytes = tableOf('PPTT', '00 14 0000 0a000000 00000000 01000000 ffffff00')
    const table = parsePptt(bytes)
    expect(table.problems.map(({ code, offset }) => [code, offset])).toEqual([['ACPI_LIST_PLACE', 52]])
    expect(buildPptt(table)).toEqual(bytes)
  })

  test('reads what it builds', () => {
    const record: fc.Arbitrary<Pptt['records'][number]> = fc.oneof(
      fc.record({
        kind: fc.constant('processor'),
        flags: u32,
        parent: u32,
        acpiProcessorId: u32,
        privateResources: fc.array(u32, { maxLength: 4 }),
      }),
      fc.record(
        {
          kind: fc.constant('cache'),
          flags: u32,
          nextLevelOfCache: u32,
          size: u32,
          numberOfSets: u32,
          associativity: u8,
          attributes: u8,
          lineSize: u16,
          cacheId: u32,
        },
        {
          requiredKeys: [
            'kind',
            'flags',
            'nextLevelOfCache',
            'size',
            'numberOfSets',
            'associativity',
            'attributes',
            'lineSize',
          ],
        },
      ),
    )
    fc.assert(
      fc.property(header, fc.array(record, { maxLength: 4 }), (head, records) => {
        const read = parsePptt(buildPptt({ signature: 'PPTT', header: head, records }))
        expect(read.problems).toEqual([])
        expect(withoutPositions(read.records)).toEqual(withoutPositions(records))
      }),
      { numRuns },
    )
  })
})

test('an SPCR of revision 4 keeps the name of its device', () => {
  const named = buildSpcr({
    ...parseSpcr(buildSpcr(SPCR)),
    header: sdtHeader(4),
    preciseBaudRate: 115_200,
    namespaceStringLength: 2,
    namespaceStringOffset: 88,
    trailing: '2e00',
  })
  const table = parseSpcr(named)
  expect(table).toMatchObject({ preciseBaudRate: 115_200, trailing: '2e00', problems: [] })
  expect(buildSpcr(table)).toEqual(named)
})

const SPCR = {
  signature: 'SPCR' as const,
  header: sdtHeader(2),
  interfaceType: 3,
  baseAddress: { addressSpaceId: 0, registerBitWidth: 32, registerBitOffset: 0, accessSize: 3, address: 0x900_0000 },
  interruptType: 8,
  irq: 0,
  globalSystemInterrupt: 33,
  configuredBaudRate: 3,
  parity: 0,
  stopBits: 1,
  flowControl: 2,
  terminalType: 0,
  language: 0,
  pciDeviceId: 0xffff,
  pciVendorId: 0xffff,
  pciBusNumber: 0,
  pciDeviceNumber: 0,
  pciFunctionNumber: 0,
  pciFlags: 0,
  pciSegment: 0,
  uartClockFrequency: 0,
}

test('a debug port without places has its lists at multiples of four', () => {
  const table: Dbg2 = {
    signature: 'DBG2',
    header: sdtHeader(0),
    offsetDbgDeviceInfo: 44,
    numberDbgDeviceInfo: 1,
    devices: [
      {
        kind: 'device',
        portType: 0x8000,
        portSubtype: 0,
        baseAddresses: [SPCR.baseAddress],
        addressSizes: [{ size: 8 }],
        namespaceString: [{ byte: 0x2e }, { byte: 0 }],
        oemData: [],
      },
    ],
  }
  const [device] = parseDbg2(buildDbg2(table)).devices
  const places = device?.kind === 'device' ? device : null
  expect(places?.baseAddresses[0]?.offset).toBe(44 + 24)
  expect(places?.addressSizes[0]?.offset).toBe(44 + 36)
  expect(places?.namespaceString.map(({ offset, byte }) => [offset, byte])).toEqual([
    [44 + 40, 0x2e],
    [44 + 41, 0],
  ])
})
