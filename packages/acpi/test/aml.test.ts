import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  aml,
  busNumbers,
  definitionBlock,
  findHostBridges,
  findPciRouting,
  fromHex,
  hostBridge,
  interruptLink,
  interrupts,
  memoryWindow,
  ports,
  portWindow,
  readResources,
  resourceTemplate,
  sdtHeader,
  toHex,
} from '../src/index.ts'

describe('AML encodings', () => {
  test('§20.2.3 integers take the shortest form', () => {
    const forms = [0, 1, 2, 0xff, 0x100, 0xffff, 0x10000, 0xffff_ffff, 0x1_0000_0000].map((value) =>
      toHex(aml.integer(value)),
    )
    expect(forms).toEqual([
      '00',
      '01',
      '0a02',
      '0aff',
      '0b0001',
      '0bffff',
      '0c00000100',
      '0cffffffff',
      '0e0000000001000000',
    ])
    expect(() => aml.integer(-1)).toThrow(RangeError)
  })

  test('§20.2.2 names are padded, and two or more segments have a prefix', () => {
    expect(toHex(aml.nameString('PCI0'))).toBe('50434930')
    expect(toHex(aml.nameString('\\_SB'))).toBe('5c5f53425f')
    expect(toHex(aml.nameString('^LNK'))).toBe('5e4c4e4b5f')
    expect(toHex(aml.nameString('_SB.PCI0'))).toBe('2e5f53425f50434930')
    expect(toHex(aml.nameString('\\_SB.PCI0.LPC'))).toBe('5c2f035f53425f504349304c50435f')
    expect(toHex(aml.nameString('\\'))).toBe('5c00')
    expect(() => aml.nameString('pci0')).toThrow(TypeError)
    expect(() => aml.nameString('PCI00')).toThrow('"PCI00" is no AML name')
  })

  test('§20.2.4 a package length counts itself, in one to four bytes', () => {
    const buffer = (size: number): string => toHex(aml.buffer(new Uint8Array(size)).subarray(0, 6))
    expect(buffer(1)).toBe('11030100')
    expect(buffer(60)).toBe('113f0a3c0000') // 0x3f: the last length of one byte
    expect(buffer(61)).toBe('1141040a3d00') // 0x041: low nibble 1, then 4
    expect(buffer(0x1000)).toBe('118600010b00') // 0x1006: low nibble 6, then 0x100
  })

  test('an EISA ID is three letters of five bits and four digits, high byte first', () => {
    expect(toHex(aml.eisaId('PNP0A08'))).toBe('0c41d00a08')
    expect(toHex(aml.eisaId('PNP0C0F'))).toBe('0c41d00c0f')
    expect(() => aml.eisaId('PCI')).toThrow(TypeError)
  })

  test('strings and methods', () => {
    expect(toHex(aml.text('AB'))).toBe('0d414200')
    expect(() => aml.text('é')).toThrow(TypeError)
    expect(toHex(aml.method('_STA', 0, aml.returns(aml.integer(15))))).toBe('14095f53544100a40a0f')
  })
})

describe('resource descriptors', () => {
  test('§6.4.3.5 address spaces', () => {
    expect(toHex(busNumbers({ first: 0, last: 255 }))).toBe('880d00020c00' + '00000000ff0000000001')
    expect(toHex(portWindow({ first: 0xd00, last: 0xffff }))).toBe('880d00010c03' + '0000000dffff000000f3')
    // Where ports are memory to the processor, a DWord descriptor says what is added.
    const translated = { first: 0, last: 0xffff, translation: 0x3eff_0000 }
    expect(toHex(portWindow(translated))).toBe(
      '871700010c03' + '00000000' + '00000000' + 'ffff0000' + '0000ff3e' + '00000100',
    )
    expect(readResources(Uint8Array.of(...portWindow(translated), 0x79, 0)).ports).toEqual([translated])
    expect(toHex(memoryWindow({ first: 0xc0000000, last: 0xfebfffff }))).toBe(
      '871700000c01' + '00000000' + '000000c0' + 'ffffbffe' + '00000000' + '0000c03e',
    )
    expect(toHex(memoryWindow({ first: 2 ** 32, last: 2 ** 33 - 1, prefetchable: true })).slice(0, 12)).toBe(
      '8a2b00000c07',
    )
    expect(() => busNumbers({ first: 2, last: 1 })).toThrow(RangeError)
  })

  test('§6.4.3.6 interrupts and §6.4.2.5 ports', () => {
    expect(toHex(interrupts([16]))).toBe('890600' + '09' + '01' + '10000000')
    expect(toHex(interrupts([5, 10], { low: true }))).toBe('890a00' + '0d' + '02' + '05000000' + '0a000000')
    expect(toHex(ports(0xcf8, 8))).toBe('4701f80cf80c0108')
  })

  test('are read back', () => {
    const template = aml.join(
      busNumbers({ first: 0x80, last: 0x82 }),
      portWindow({ first: 0, last: 0xcf7 }),
      memoryWindow({ first: 0xa0000, last: 0xbffff }),
      memoryWindow({ first: 2 ** 32, last: 2 ** 33 - 1, prefetchable: true }),
      ports(0xcf8, 8),
      interrupts([20, 21]),
      Uint8Array.of(0x79, 0),
    )
    expect(readResources(template)).toEqual({
      buses: [{ first: 0x80, last: 0x82 }],
      ports: [
        { first: 0, last: 0xcf7 },
        { first: 0xcf8, last: 0xcff },
      ],
      memory: [
        { first: 0xa0000, last: 0xbffff },
        { first: 2 ** 32, last: 2 ** 33 - 1, prefetchable: true },
      ],
      interrupts: [20, 21],
      edges: [],
    })
  })

  test('an IRQ descriptor is a mask; a descriptor that is cut off ends the list', () => {
    expect(readResources(fromHex('220004 22', ''))).toMatchObject({ interrupts: [10], edges: [10] })
    expect(readResources(fromHex('23000418', ''))).toMatchObject({ interrupts: [10], edges: [] })
    expect(readResources(interrupts([79], { edge: true }))).toMatchObject({ interrupts: [79], edges: [79] })
  })
})

const PCI0 = { name: 'PCI0', uid: 0, segment: 0, bus: 0, lastBus: 0x7f, express: true, ports: [], memory: [] }

describe('host bridges and interrupt routing', () => {
  test('of what is built here: GSIs, and links with their one interrupt', () => {
    const block = definitionBlock('DSDT', [
      aml.scope(
        '\\_SB',
        interruptLink('GSIE', 4, 20),
        hostBridge({
          ...PCI0,
          routing: [
            { device: 2, pin: 0, link: 'GSIE' },
            { device: 31, pin: 3, gsi: 19 },
          ],
        }),
        hostBridge({
          ...PCI0,
          name: 'PC80',
          uid: 0x80,
          bus: 0x80,
          lastBus: 0xff,
          express: false,
          segment: 1,
          routing: [],
        }),
      ),
    ])
    expect(findPciRouting(block)).toEqual([
      { segment: 0, bus: 0, device: 2, pin: 0, gsi: 20, link: '\\_SB_.GSIE' },
      { segment: 0, bus: 0, device: 31, pin: 3, gsi: 19 },
    ])
    const bridges = findHostBridges(block)
    expect(bridges.map(({ path, segment, bus, uid, express }) => ({ path, segment, bus, uid, express }))).toEqual([
      { path: '\\_SB_.PCI0', segment: 0, bus: 0, uid: 0, express: true },
      { path: '\\_SB_.PC80', segment: 1, bus: 0x80, uid: 0x80, express: false },
    ])
    expect(bridges[0]?.resources?.buses).toEqual([{ first: 0, last: 0x7f }])
  })

  /** Firmware as QEMU and most vendors write it: two packages, and a variable that says which interrupt model is used. */
  const twoModels = (...rest: aml.Aml[]): aml.Aml[] => [
    aml.name('PICF', aml.integer(0)),
    aml.method('_PIC', 1, aml.store(aml.arg(0), aml.nameString('PICF'))),
    aml.scope(
      '\\_SB',
      aml.device(
        'PCI0',
        aml.name('_HID', aml.eisaId('PNP0A08')),
        aml.name('PRTP', aml.pkg(aml.pkg(aml.integer(0x2ffff), aml.integer(0), aml.integer(0), aml.integer(11)))),
        aml.name(
          'PRTA',
          aml.pkg(aml.pkg(aml.integer(0x2ffff), aml.integer(0), aml.nameString('GSIG'), aml.integer(0))),
        ),
        aml.method(
          '_PRT',
          0,
          aml.when(
            aml.equal(aml.nameString('PICF'), aml.integer(0)),
            [aml.returns(aml.nameString('PRTP'))],
            [aml.returns(aml.nameString('PRTA'))],
          ),
        ),
        ...rest,
      ),
      interruptLink('GSIG', 6, 22),
    ),
  ]

  test('a _PRT that is a method is evaluated as after _PIC(1); links are found in the scopes around', () => {
    expect(findPciRouting(definitionBlock('DSDT', twoModels()))).toEqual([
      { segment: 0, bus: 0, device: 2, pin: 0, gsi: 22, link: '\\_SB_.GSIG' },
    ])
  })

  test('the same name in two scopes leads to two links', () => {
    const one = (bridge: string, uid: number, gsi: number): aml.Aml =>
      aml.device(
        bridge,
        aml.name('_HID', aml.eisaId('PNP0A03')),
        aml.name('_BBN', aml.integer(uid)),
        interruptLink('LNKA', uid, gsi),
        aml.name('_PRT', aml.pkg(aml.pkg(aml.integer(0xffff), aml.integer(0), aml.nameString('LNKA'), aml.integer(0)))),
      )
    const block = definitionBlock('DSDT', [aml.scope('\\_SB', one('PCI0', 0, 20), one('PCI1', 1, 21))])
    expect(findPciRouting(block)).toEqual([
      { segment: 0, bus: 0, device: 0, pin: 0, gsi: 20, link: '\\_SB_.PCI0.LNKA' },
      { segment: 0, bus: 1, device: 0, pin: 0, gsi: 21, link: '\\_SB_.PCI1.LNKA' },
    ])
  })

  test('a package that is not decoded costs its name alone, and the note says why', () => {
    const broken = aml.name('_PRT', aml.pkg(fromHex('5bff', 'no operator')))
    const block = definitionBlock('DSDT', [
      aml.scope(
        '\\_SB',
        aml.device('PCI0', aml.name('_HID', aml.eisaId('PNP0A08')), broken, aml.name('_BBN', aml.integer(3))),
      ),
    ])
    expect(findHostBridges(block)).toMatchObject([
      { path: '\\_SB_.PCI0', bus: 3, routing: null, notes: ['_PRT: operator 0x5b 0xff is not decoded'] },
    ])
  })

  test('a buffer whose size is its own name ends, as all that runs on and on', () => {
    const block = definitionBlock('DSDT', [
      aml.scope(
        '\\_SB',
        aml.device(
          'PCI0',
          aml.name('_HID', aml.eisaId('PNP0A08')),
          aml.name('_CRS', fromHex('1105 5f435253', 'a buffer')),
        ),
      ),
    ])
    expect(findHostBridges(block)).toMatchObject([{ resources: null, notes: ['_CRS: terms are nested too deep'] }])
  })

  test('a link whose interrupt only hardware knows: what it can be set to', () => {
    const hardware = fromHex('5b80 52454730 02 0a60 0a04  5b81 0b 52454730 01 50525141 08', 'region and field')
    const block = definitionBlock('DSDT', [
      aml.scope(
        '\\_SB',
        hardware,
        aml.device(
          'LNKA',
          aml.name('_HID', aml.eisaId('PNP0C0F')),
          aml.name('_PRS', resourceTemplate(interrupts([5, 10, 11]))),
          aml.method('_CRS', 0, aml.returns(aml.nameString('PRQA'))),
        ),
        hostBridge({ ...PCI0, routing: [{ device: 0, pin: 1, link: '\\_SB.LNKA' }] }),
      ),
    ])
    expect(findPciRouting(block)).toEqual([
      { segment: 0, bus: 0, device: 0, pin: 1, gsi: null, link: '\\_SB_.LNKA', possible: [5, 10, 11] },
    ])
  })

  const QEMU = new Uint8Array(
    Buffer.from(
      readFileSync(new URL('./golden/qemu-11.1-q35-pxb.dsdt.hex', import.meta.url), 'latin1').replace(/\s/g, ''),
      'hex',
    ),
  )

  test("QEMU's own DSDT: slots 0 to 24 rotate over GSI 20 to 23, 25 to 29 over 16 to 19, 30 and 31 do not", () => {
    const [root] = findHostBridges(QEMU)
    expect(root?.notes).toEqual([])
    expect(root?.routing).toHaveLength(128)
    for (const { device, pin, gsi } of root?.routing ?? []) {
      if (device < 25) expect(gsi, `${device} ${pin}`).toBe(20 + ((device + pin) & 3))
    }
    const pins = (device: number): (number | null)[] =>
      (root?.routing ?? []).filter((route) => route.device === device).map(({ gsi }) => gsi)
    expect(pins(30)).toEqual([20, 21, 22, 23])
    expect(pins(31)).toEqual([16, 17, 18, 19])
    expect(root?.resources?.buses).toEqual([{ first: 0, last: 0x7f }])
  })

  test("QEMU's own DSDT: a pxb bus has the PIC's links, which registers of 00:1f.0 set", () => {
    const [, expander] = findHostBridges(QEMU)
    expect(expander).toMatchObject({ path: '\\_SB_.PC80', bus: 0x80 })
    expect(expander?.routing?.[0]).toEqual({
      device: 0,
      pin: 0,
      gsi: null,
      link: '\\_SB_.LNKD',
      possible: [5, 10, 11],
    })
    const seen: string[] = []
    const read = (device: number, functionNumber: number, offset: number): number => {
      seen.push(`${device.toString(16)}.${functionNumber} ${offset.toString(16)}`)
      return offset === 0x63 ? 0x0b : 0x80
    }
    const again = findHostBridges(QEMU, read)[1]?.routing ?? []
    expect(again[0]).toEqual({ device: 0, pin: 0, gsi: 11, link: '\\_SB_.LNKD' })
    expect(again[1]).toMatchObject({ gsi: null, link: '\\_SB_.LNKA' }) // bit 7: not routed
    expect(new Set(seen)).toEqual(new Set(['1f.0 60', '1f.0 61', '1f.0 62', '1f.0 63']))
  })

  test('a method that needs more than is evaluated says so, and the rest of the bridge is there', () => {
    const block = definitionBlock('DSDT', [
      aml.scope(
        '\\_SB',
        aml.device(
          'PCI0',
          aml.name('_HID', aml.eisaId('PNP0A03')),
          aml.name('_BBN', aml.integer(3)),
          aml.method('_PRT', 0, fromHex('5b31', 'DebugOp')),
        ),
      ),
    ])
    const [bridge] = findHostBridges(block)
    expect(bridge).toMatchObject({ bus: 3, routing: null, express: false })
    expect(bridge?.notes).toEqual(['_PRT: operator 0x5b 0x31 is not decoded'])
  })

  test('an endless loop, a method that calls itself and aliases in a circle come to an end', () => {
    const bridge = (prt: aml.Aml): string[] => {
      const hid = aml.name('_HID', aml.eisaId('PNP0A03'))
      const block = definitionBlock('DSDT', [aml.scope('\\_SB', aml.device('PCI0', hid, prt))])
      return findHostBridges(block)[0]?.notes ?? []
    }
    expect(bridge(aml.method('_PRT', 0, fromHex('a2 02 01', 'While (One) {}')))).toEqual([
      '_PRT: the AML runs on and on',
    ])
    expect(bridge(aml.method('_PRT', 0, aml.returns(aml.nameString('_PRT'))))[0]).toContain('calls too deep')
    const alias = (from: string, to: string): aml.Aml =>
      aml.join(Uint8Array.of(6), aml.nameString(from), aml.nameString(to))
    const circle = aml.join(aml.name('XPRT', aml.integer(0)), alias('XPRT', '_PRT'), alias('_PRT', 'XPRT'))
    expect(bridge(circle)[0]).toContain('alias of aliases')
    expect(bridge(aml.method('_PRT', 0, new Uint8Array(5000).fill(0x92)))).toEqual(['_PRT: terms are nested too deep'])
  })

  test('damage in one device leaves the others', () => {
    const [first, ...others] = twoModels(aml.device('BAD0', fromHex('ccccccff', 'noise')))
    const block = definitionBlock('SSDT', [first ?? new Uint8Array(0), ...others], sdtHeader(1))
    expect(findPciRouting(block)).toHaveLength(1)
  })
})
