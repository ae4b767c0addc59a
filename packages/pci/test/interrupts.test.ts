import { DMA_OK, type InterruptPort } from '@dmascope/memory'
import { ConfigSpace, Msi, Msix } from '@dmascope/pci'
import { beforeEach, describe, expect, it } from 'vitest'

let sent: string[]
const port: InterruptPort = {
  msi(hi, lo, data) {
    sent.push(`${hi.toString(16)}:${lo.toString(16)}=${data.toString(16)}`)
    return DMA_OK
  },
  intx() {},
}
beforeEach(() => {
  sent = []
})
const makeConfig = (): ConfigSpace => new ConfigSpace({ vendorId: 0x1af4, deviceId: 0x1042, classCode: 0x010000 })

describe('MSI-X', () => {
  const program = (msix: Msix, vector: number, lo: number, data: number, masked = false): void => {
    const entry = vector * 16
    msix.write(entry, 4, lo)
    msix.write(entry + 4, 4, 0)
    msix.write(entry + 8, 4, data)
    msix.write(entry + 12, 4, masked ? 1 : 0)
  }
  const setup = (vectors = 4): { config: ConfigSpace; msix: Msix } => {
    const config = makeConfig()
    return { config, msix: new Msix(config, { vectors, tableBar: 1 }) }
  }

  it('§7.7.2 has its capability fields: size less one, table and PBA in the BAR', () => {
    const { config, msix } = setup(3)
    expect(msix.offset).toBe(0x40)
    expect(config.read(0x40, 1)).toBe(0x11)
    expect(config.read(0x42, 2)).toBe(0x0002)
    expect(config.read(0x44, 4)).toBe(0x0000_0001)
    expect(config.read(0x48, 4)).toBe(0x0000_0801)
    config.write(0x42, 2, 0xffff)
    expect(config.read(0x42, 2)).toBe(0xc002)
  })

  it('has every vector masked after reset', () => {
    const { msix } = setup()
    for (let vector = 0; vector < 4; vector++) expect(msix.read(vector * 16 + 12, 4)).toBe(1)
  })

  it('sends nothing while it is off', () => {
    const { msix } = setup()
    program(msix, 0, 0xfee0_0000, 0x41)
    expect(msix.trigger(0, port)).toBe(false)
    expect(sent).toEqual([])
    expect(msix.isPending(0)).toBe(false)
  })

  it('sends address and data of the vector', () => {
    const { config, msix } = setup()
    program(msix, 1, 0xfee0_0318, 0x4021)
    config.write(0x42, 2, 0x8000)
    expect(msix.trigger(1, port)).toBe(true)
    expect(sent).toEqual(['0:fee00318=4021'])
  })

  it('§7.7.2 holds a masked vector pending and sends it when it is unmasked', () => {
    const { config, msix } = setup()
    program(msix, 2, 0xfee0_0000, 0x42, true)
    config.write(0x42, 2, 0x8000)
    expect(msix.trigger(2, port)).toBe(true)
    msix.trigger(2, port)
    expect(sent).toEqual([])
    expect(msix.read(0x800, 4)).toBe(0b100)
    msix.write(0x800, 4, 0)
    expect(msix.isPending(2)).toBe(true)
    msix.write(2 * 16 + 12, 4, 0)
    expect(sent).toEqual(['0:fee00000=42'])
    expect(msix.read(0x800, 4)).toBe(0)
  })

  it('holds all vectors pending under Function Mask', () => {
    const { config, msix } = setup()
    program(msix, 0, 0xfee0_0000, 0x40)
    program(msix, 3, 0xfee0_0000, 0x43)
    config.write(0x42, 2, 0xc000)
    msix.trigger(3, port)
    msix.trigger(0, port)
    expect(sent).toEqual([])
    config.write(0x43, 1, 0x80)
    expect(sent).toEqual(['0:fee00000=40', '0:fee00000=43'])
  })

  it('keeps reserved bits of Vector Control and the two low address bits at zero', () => {
    const { msix } = setup()
    msix.write(12, 4, 0xffff_fffe)
    expect(msix.read(12, 4)).toBe(0)
    msix.write(0, 4, 0xfee0_0003)
    expect(msix.read(0, 4)).toBe(0xfee0_0000)
    msix.write(9, 2, 0xbeef)
    expect(msix.read(8, 4)).toBe(0x00be_ef00)
  })

  it('puts the pending bits behind a long table, and takes 2048 vectors at most', () => {
    const msix = new Msix(makeConfig(), { vectors: 200, tableBar: 1 })
    expect(msix.pbaOffset).toBe(200 * 16)
    expect(() => new Msix(makeConfig(), { vectors: 2049, tableBar: 1 })).toThrow(/2048/)
    expect(() => new Msix(makeConfig(), { vectors: 200, tableBar: 1, pbaOffset: 0x800 })).toThrow(/overlap/)
    expect(() => setup().msix.trigger(4, port)).toThrow(RangeError)
  })

  it('may have its table and pending bits in other places: NVMe, table at 0x2000 of BAR 0', () => {
    const config = makeConfig()
    const msix = new Msix(config, { vectors: 65, tableBar: 0, tableOffset: 0x2000, pbaOffset: 0x3000, offset: 0x40 })
    expect(msix.containsTable(0, 0x2000)).toBe(true)
    expect(msix.containsTable(0, 0x2000 + 65 * 16)).toBe(false)
    expect(msix.containsPba(0, 0x3008)).toBe(true)
    expect(msix.containsPba(0, 0x3010)).toBe(false)
    expect(config.read(0x48, 4)).toBe(0x3000)
  })

  it('forgets everything at reset', () => {
    const { config, msix } = setup()
    program(msix, 0, 0xfee0_0000, 0x40, true)
    config.write(0x42, 2, 0x8000)
    msix.trigger(0, port)
    msix.reset()
    expect(msix.isPending(0)).toBe(false)
    expect([msix.read(0, 4), msix.read(8, 4), msix.read(12, 4)]).toEqual([0, 0, 1])
  })
})

describe('MSI', () => {
  it('§7.7.1 64-bit: sends data with the low bits replaced by the message number', () => {
    const config = makeConfig()
    const msi = new Msi(config, { vectors: 4 })
    expect(config.read(0x42, 2)).toBe(0x0084)
    config.write(0x44, 4, 0xfee0_0003)
    config.write(0x48, 4, 0x1)
    config.write(0x4c, 2, 0x4042)
    config.write(0x42, 2, 0x0021)
    expect(config.read(0x44, 4)).toBe(0xfee0_0000)
    expect(msi.trigger(3, port)).toBe(true)
    expect(sent).toEqual(['1:fee00000=4043'])
  })

  it('folds vectors into those that software allowed', () => {
    const config = makeConfig()
    const msi = new Msi(config, { vectors: 4 })
    config.write(0x42, 2, 0x0001)
    config.write(0x4c, 2, 0x43)
    msi.trigger(3, port)
    config.write(0x42, 2, 0x0071)
    msi.trigger(2, port)
    expect(sent).toEqual(['0:0=43', '0:0=42'])
  })

  it('holds a masked message pending', () => {
    const config = makeConfig()
    const msi = new Msi(config, { vectors: 2, address64: false, perVectorMasking: true })
    expect(config.read(0x42, 2)).toBe(0x0102)
    config.write(0x48, 2, 0x30)
    config.write(0x42, 2, 0x0011)
    config.write(0x4c, 4, 0xffff_ffff)
    expect(config.read(0x4c, 4)).toBe(0b11)
    msi.trigger(1, port)
    expect(sent).toEqual([])
    expect(config.read(0x50, 4)).toBe(0b10)
    config.write(0x4c, 4, 0)
    expect(sent).toEqual(['0:0=31'])
    expect(config.read(0x50, 4)).toBe(0)
  })

  it('sends nothing while it is off, and refuses numbers that it has not', () => {
    const msi = new Msi(makeConfig())
    expect(msi.trigger(0, port)).toBe(false)
    expect(sent).toEqual([])
    expect(() => msi.trigger(1, port)).toThrow(RangeError)
    expect(() => new Msi(makeConfig(), { vectors: 3 })).toThrow(/1, 2, 4, 8, 16 or 32/)
  })
})
