import {
  type BridgeModel,
  I82801B11_BRIDGE,
  ModelledBridge,
  PCI_BRIDGE,
  PCIE_PCI_BRIDGE,
  RootComplex,
  RootPort,
  SIMBA_BRIDGE,
  X3130_UPSTREAM_PORT,
  XIO3130_DOWNSTREAM_PORT,
} from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import { describe, expect, it } from 'vitest'
import { chainOf } from './capability-chain.ts'
import { Endpoint } from './endpoint.ts'

const number = (bridge: ModelledBridge, secondary: number, subordinate = secondary): ModelledBridge => {
  bridge.config.write(0x19, 1, secondary)
  bridge.config.write(0x1a, 1, subordinate)
  return bridge
}

describe('bridges, as captured from QEMU', () => {
  it.each<[string, BridgeModel, number, number, string[]]>([
    ['x3130-upstream', X3130_UPSTREAM_PORT, 0x8232_104c, 0x0604_0002, ['10@90', '0d@80', '05@70', 'x0001@100']],
    ['xio3130-downstream', XIO3130_DOWNSTREAM_PORT, 0x8233_104c, 0x0604_0001, ['10@90', '0d@80', '05@70', 'x0001@100']],
    ['pcie-pci-bridge', PCIE_PCI_BRIDGE, 0x000e_1b36, 0x0604_0000, ['05@8c', '01@84', '10@48', '0c@40', 'x0001@100']],
    ['pci-bridge', PCI_BRIDGE, 0x0001_1b36, 0x0604_0000, ['05@4c', '04@48', '0c@40']],
    ['i82801b11-bridge', I82801B11_BRIDGE, 0x244e_8086, 0x0604_0192, ['0d@50']],
  ])('%s', (_name, model, id, classAndRevision, chain) => {
    const { config } = new ModelledBridge({ model })
    expect(config.read(0x00, 4)).toBe(id)
    expect(config.read(0x08, 4)).toBe(classAndRevision)
    expect(config.read(0x0e, 1)).toBe(1)
    expect(chainOf(config)).toEqual(chain)
  })

  it('have their port types: 5 upstream, 6 downstream with a slot, 7 to conventional PCI', () => {
    const types = ([model, at]: readonly [BridgeModel, number]): number =>
      new ModelledBridge({ model }).config.read(at + 2, 2)
    expect(
      (
        [
          [X3130_UPSTREAM_PORT, 0x90],
          [XIO3130_DOWNSTREAM_PORT, 0x90],
          [PCIE_PCI_BRIDGE, 0x48],
        ] as const
      ).map(types),
    ).toEqual([0x0052, 0x0162, 0x0072])
  })
})

describe('a switch and a conventional bridge below root ports', () => {
  it('lead to their devices, which have the captured requester IDs', () => {
    const complex = new RootComplex()
    const port = number(new RootPort(), 6, 0xa)
    const upstream = number(new ModelledBridge({ model: X3130_UPSTREAM_PORT }), 7, 0xa)
    const downstream = [0, 1].map((index) => number(new ModelledBridge({ model: XIO3130_DOWNSTREAM_PORT }), 8 + index))
    const conventional = number(new ModelledBridge({ model: PCIE_PCI_BRIDGE }), 5)
    const dmi = number(new ModelledBridge({ model: I82801B11_BRIDGE }), 0xc, 0xd)
    const below = number(new ModelledBridge({ model: PCI_BRIDGE }), 0xd)
    complex.attach(port, { device: 6 })
    complex.attach(upstream, { bus: port.secondary, device: 0 })
    for (const [index, one] of downstream.entries()) complex.attach(one, { bus: upstream.secondary, device: index })
    complex.attach(conventional, { device: 5 })
    complex.attach(dmi, { device: 9 })
    complex.attach(below, { bus: dmi.secondary, device: 1 })
    const buses = [downstream[0]!, downstream[1]!, conventional, conventional, below].map((one) => one.secondary)
    const devices = buses.map((bus, index) => {
      const device = new Endpoint({ size: 4096 })
      complex.attach(device, { bus, device: index < 2 ? 0 : index - 1 })
      return device
    })
    expect(devices.map((device) => formatBdf(complex.requesterIdOf(device)))).toEqual([
      '0000:08:00.0',
      '0000:09:00.0',
      '0000:05:01.0',
      '0000:05:02.0',
      '0000:0d:03.0',
    ])
    // Behind conventional bridges all requests come from one ID: the secondary bus's, or the bridge's own.
    expect(devices.map((device) => formatBdf(complex.sourceIdOf(device)))).toEqual([
      '0000:08:00.0',
      '0000:09:00.0',
      '0000:05:00.0',
      '0000:05:00.0',
      '0000:00:09.0',
    ])
    expect(complex.configRead(9, 0, 0, 0, 4)).toBe(0x5678_1234)
    // No extended configuration behind a conventional bus, even for a function that has it.
    expect(complex.configRead(9, 0, 0, 0x100, 4)).toBe(0)
    expect(complex.configRead(5, 1, 0, 0x100, 4)).toBe(0xffff_ffff)
  })
})

describe('a window of ports with 32 address bits', () => {
  const bridge = () => new ModelledBridge({ model: SIMBA_BRIDGE, multifunction: true })

  it('says so in its base and limit, of which the upper halves are written', () => {
    const { config } = bridge()
    expect([config.peek(0x00, 4), config.peek(0x0e, 1), config.peek(0x08, 1)]).toEqual([0x5000_108e, 0x81, 0x11])
    expect([config.read(0x1c, 1), config.read(0x1d, 1)]).toEqual([1, 1])
    config.write(0x1c, 2, 0x1000)
    config.write(0x30, 4, 0x0081_0080)
    expect([config.read(0x1c, 2), config.read(0x30, 4)]).toEqual([0x1101, 0x0081_0080])
  })

  it('forwards ports above 64 Ki', () => {
    const one = bridge()
    one.config.write(0x1c, 2, 0x1000)
    one.config.write(0x30, 4, 0x0081_0080)
    expect(one.ioWindows()).toEqual([])
    one.config.write(0x04, 2, 1)
    expect(one.ioWindows()).toEqual([{ start: 0x80_0000, end: 0x81_2000 }])
  })

  it('other bridges keep 16 bits', () => {
    const { config } = new ModelledBridge({ model: PCI_BRIDGE })
    config.write(0x30, 4, 0xffff_ffff)
    expect([config.read(0x1c, 1), config.read(0x30, 4)]).toEqual([0, 0])
  })
})
