import { DMA_OK, type InterruptPort } from '@dmascope/memory'
import { addExpressCapability, ConfigSpace, IOH3420_ROOT_PORT, RootPort } from '@dmascope/pci'
import { describe, expect, it } from 'vitest'
import { chainOf } from './capability-chain.ts'

describe('a root port', () => {
  it('is QEMU’s pcie-root-port, capability for capability', () => {
    const { config } = new RootPort({ slot: 3, portNumber: 2 })
    expect(config.read(0x00, 4)).toBe(0x000c_1b36)
    expect(config.read(0x08, 4)).toBe(0x0604_0000)
    expect(chainOf(config)).toEqual(['10@54', '11@48', '0d@40', 'x0001@100', 'x000d@148'])
    expect(config.read(0x44, 4)).toBe(0x0000_1b36)
    // PCI Express Capabilities: version 2, root port, slot.
    expect(config.read(0x56, 2)).toBe(0x0142)
    expect(config.read(0x54 + 0x14, 4) >>> 19).toBe(3)
    expect(config.read(0x54 + 0x0c, 4) >>> 24).toBe(2)
    expect(config.bars).toMatchObject([{ bar: 0, space: 'memory', is64: false, size: 0x1000 }])
  })

  it('has ACS with SV, TB, RR, CR, UF and DT, each for software to enable, and not egress control', () => {
    const { config } = new RootPort()
    expect(config.read(0x14c, 2)).toBe(0x005f)
    config.write(0x14e, 2, 0xffff)
    expect(config.read(0x14e, 2)).toBe(0x005f)
    config.write(0x14c, 2, 0)
    expect(config.read(0x14c, 2)).toBe(0x005f)
  })

  it('may be an ioh3420: MSI, and no ACS', () => {
    const port = new RootPort({ model: IOH3420_ROOT_PORT })
    expect(port.config.read(0x00, 4)).toBe(0x3420_8086)
    expect(port.config.read(0x08, 1)).toBe(2)
    expect(chainOf(port.config)).toEqual(['10@90', '05@60', '0d@40', 'x0001@100'])
    expect([port.msix, port.msi?.vectors]).toEqual([null, 2])
    expect(port.config.bars).toEqual([])
  })

  it('has its MSI-X table in BAR 0', () => {
    const port = new RootPort()
    const sent: number[] = []
    const interrupts: InterruptPort = {
      msi(_hi, _lo, data) {
        sent.push(data)
        return DMA_OK
      },
      intx() {},
    }
    port.writeBar(0, 0, 8, 0xfee0_0000, 0)
    port.writeBar(0, 8, 8, 0x55, 0)
    port.config.write(0x4a, 2, 0x8000)
    port.msix?.trigger(0, interrupts)
    expect(sent).toEqual([0x55])
    const out = new Uint32Array(2)
    port.readBar(0, 8, 8, out)
    expect([...out]).toEqual([0x55, 0])
    port.reset('bus')
    port.readBar(0, 8, 8, out)
    expect([...out]).toEqual([0, 1])
  })
})

describe('the PCI Express capability', () => {
  const make = (type: number, onFunctionLevelReset?: () => void): ConfigSpace => {
    const config = new ConfigSpace({ vendorId: 1, deviceId: 2, classCode: 0x020000, size: 4096 })
    addExpressCapability(config, { type, offset: 0x40, ...(onFunctionLevelReset && { onFunctionLevelReset }) })
    return config
  }

  it('§7.5.3.4 starts a Function Level Reset, and the bit reads as zero', () => {
    let resets = 0
    const config = make(0, () => resets++)
    expect((config.read(0x44, 4) >>> 28) & 1).toBe(1)
    config.write(0x48, 2, 0x8010)
    expect(resets).toBe(1)
    expect(config.read(0x48, 2)).toBe(0x0010)
    config.write(0x48, 1, 0xff)
    expect(resets).toBe(1)
  })

  it('ignores the reset bit where the function has no such reset', () => {
    const config = make(0)
    config.write(0x48, 2, 0x8000)
    expect(config.read(0x48, 2)).toBe(0)
    expect((config.read(0x44, 4) >>> 28) & 1).toBe(0)
  })

  it('has no link registers in an endpoint of the root complex', () => {
    const config = make(9)
    expect(config.read(0x42, 2)).toBe(0x0092)
    config.write(0x50, 2, 0xffff)
    expect([config.read(0x4c, 4), config.read(0x50, 2), config.read(0x52, 2)]).toEqual([0, 0, 0])
  })
})
