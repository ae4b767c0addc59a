import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readLspci } from '../src/lspci.ts'

const port = { segment: 0, bus: 0, device: 0x1c, function: 0, headerType: 1, classCode: 0x0604 }
const nic = { segment: 0, bus: 1, device: 0, function: 0, headerType: 0, classCode: 0x0200 }
const IDS = { vendorId: 0x8086, deviceId: 0xa110 }
const NO_IDS = { vendorId: null, deviceId: null }

describe('what lspci prints', () => {
  it('-nn: header types by the class, IDs, no buses', () => {
    const text = `00:1c.0 PCI bridge [0604]: Intel Corporation 100 Series [8086:a110] (rev f1)
01:00.0 Ethernet controller [0200]: Intel Corporation I210 [8086:1533] (rev 03)
`
    expect(readLspci(text)).toEqual([
      { ...port, ...IDS, secondaryBus: null },
      { ...nic, vendorId: 0x8086, deviceId: 0x1533, secondaryBus: null },
    ])
  })

  it('-vvv: where virtual functions are, or can be', () => {
    const text = `01:00.0 Ethernet controller: Intel Corporation 82576 Gigabit Network Connection (rev 01)
\tControl: I/O- Mem+ BusMaster+
\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)
\t\tIOVCtl:\tEnable- Migration- Interrupt- MSE- ARIHierarchy+ 10BitTagReq-
\t\tInitial VFs: 8, Total VFs: 8, Number of VFs: 0, Function Dependency Link: 00
\t\tVF offset: 128, stride: 2, Device ID: 10ca
`
    expect(readLspci(text)).toEqual([
      { ...nic, ...NO_IDS, classCode: null, secondaryBus: null, virtual: { total: 8, offset: 128, stride: 2 } },
    ])
  })

  it('-n', () => {
    expect(readLspci('00:1c.0 0604: 8086:a110 (rev f1)\n')).toEqual([{ ...port, ...IDS, secondaryBus: null }])
  })

  it('-vvv: the bus below a bridge; names without numbers', () => {
    const text = `0001:00:1c.0 PCI bridge: Intel Corporation 100 Series (rev f1) (prog-if 00 [Normal decode])
\tControl: I/O+ Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
\tBus: primary=00, secondary=0a, subordinate=0b, sec-latency=0
\tCapabilities: [40] Express (v2) Root Port (Slot+), MSI 00

0001:0a:00.0 Ethernet controller: Intel Corporation I210 (rev 03)
\tSubsystem: Intel Corporation I210
\tControl: I/O- Mem+ BusMaster+
`
    expect(readLspci(text)).toEqual([
      { ...port, ...NO_IDS, segment: 1, secondaryBus: 10 },
      { ...nic, ...NO_IDS, segment: 1, bus: 10, classCode: null, secondaryBus: null },
    ])
  })

  it('-vmmk and -nnvmmk', () => {
    const text = `Slot:\t00:1c.0
Class:\tPCI bridge [0604]
Vendor:\tIntel Corporation [8086]
Device:\t100 Series [a110]
Driver:\tpcieport
IOMMUGroup:\t3

Slot:\t01:00.0
Class:\tEthernet controller
Vendor:\tIntel Corporation
Device:\tI210
`
    expect(readLspci(text)).toEqual([
      { ...port, ...IDS, secondaryBus: null },
      { ...nic, ...NO_IDS, classCode: null, headerType: null, secondaryBus: null },
    ])
  })

  it('-x: the header itself', () => {
    const text = `00:1c.0 PCI bridge: Intel Corporation 100 Series
00: 86 80 10 a1 07 04 10 00 f1 00 04 06 10 00 81 00
10: 00 00 00 00 00 00 00 00 00 05 06 00 f0 00 00 20

00:1d.0 Bridge: PLX Technology, Inc. (a non-transparent bridge)
00: b5 10 b1 87 07 04 10 00 f1 00 80 06 10 00 00 00
10: 00 00 00 00 00 00 00 00 00 05 06 00 f0 00 00 20
`
    expect(readLspci(text)).toMatchObject([
      { headerType: 1, secondaryBus: 5 },
      { headerType: 0, classCode: 0x0680, secondaryBus: null },
    ])
  })

  it('of VMD, segments of five digits', () => {
    expect(readLspci('10000:e1:00.0 Non-Volatile memory controller [0108]: X [144d:a808]\n')).toMatchObject([
      { segment: 0x1_0000, bus: 0xe1 },
    ])
  })
})

describe('what is no listing', () => {
  it.each([
    ['nothing', '', 'lspci: no PCI function is in it; give what lspci prints: lspci -nnvvv > FILE'],
    ['a tree', '-[0000:00]-+-00.0\n           +-02.0\n', 'lspci: no PCI function is in it;'],
    [
      'one twice',
      '00:02.0 0200: 8086:1533\n00:02.0 0200: 8086:1533\n',
      'lspci:2: the function 00:02.0 stands there twice;',
    ],
  ])('%s', (_what, text, message) => {
    let error: unknown
    try {
      readLspci(text)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(DmascopeError)
    expect((error as DmascopeError).code).toBe('TOPOLOGY_LSPCI')
    expect((error as DmascopeError).message.slice(0, message.length)).toBe(message)
  })

  it('any text is a listing or an error', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '00:02.0 x',
        'Slot:\t00:03.0',
        '\tBus: primary=00, secondary=01,',
        `00: ${'00 '.repeat(16)}`,
        `10: ${'01 '.repeat(16)}`,
      ),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        try {
          for (const { device, function: fn } of readLspci(lines.join('\n'))) {
            expect(device).toBeLessThanOrEqual(0x1f)
            expect(fn).toBeLessThan(8)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DmascopeError)
        }
      }),
      { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
    )
  })
})
