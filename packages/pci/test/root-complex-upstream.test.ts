import { Bridge, RootComplex, RootPort } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import { describe, expect, it } from 'vitest'
import { bridgeIds, programBridge } from './bridges.ts'
import { Endpoint } from './endpoint.ts'

describe('requester IDs at the root complex', () => {
  it('are a function’s own below root ports', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { device: 2 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    programBridge(port, { secondary: 3, subordinate: 3 })
    expect(formatBdf(complex.sourceIdOf(device))).toBe('0000:03:00.0')
  })

  it('are the secondary bus’s below a PCI Express to PCI bridge, and that bridge’s own below some others', () => {
    const complex = new RootComplex()
    const expressToPci = new Bridge({ ...bridgeIds, requesterNaming: 'secondary-bus' })
    const nested = new Bridge(bridgeIds)
    const dmiToPci = new Bridge({ ...bridgeIds, requesterNaming: 'bridge' })
    const devices = [new Endpoint(), new Endpoint(), new Endpoint()] as const
    complex.attach(expressToPci, { device: 5 })
    complex.attach(nested, { bus: expressToPci.secondary, device: 7 })
    complex.attach(dmiToPci, { device: 9 })
    complex.attach(devices[0], { bus: expressToPci.secondary, device: 1 })
    complex.attach(devices[1], { bus: nested.secondary, device: 2 })
    complex.attach(devices[2], { bus: dmiToPci.secondary, device: 1 })
    programBridge(expressToPci, { secondary: 5, subordinate: 6 })
    programBridge(nested, { secondary: 6, subordinate: 6 })
    programBridge(dmiToPci, { secondary: 0xc, subordinate: 0xc })
    expect(devices.map((device) => formatBdf(complex.sourceIdOf(device)))).toEqual([
      '0000:05:00.0',
      '0000:05:00.0',
      '0000:00:09.0',
    ])
    expect(formatBdf(complex.requesterIdOf(devices[1]))).toBe('0000:06:02.0')
    expect(complex.bridgesAbove(devices[1])).toEqual([expressToPci, nested])
  })
})

describe('the way up', () => {
  it('masters only where every bridge on it may', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { device: 2 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    expect(complex.busMasterPath(device)).toBe(false)
    device.config.write(0x04, 2, 4)
    expect(complex.busMasterPath(device)).toBe(false)
    port.config.write(0x04, 2, 4)
    expect(complex.busMasterPath(device)).toBe(true)
  })

  it('turns interrupt pins by device number at each bridge', () => {
    const complex = new RootComplex()
    const bridge = new Bridge(bridgeIds)
    const device = new Endpoint({ interruptPin: 4 })
    complex.attach(bridge, { device: 9 })
    complex.attach(device, { bus: bridge.secondary, device: 2 })
    expect(complex.rootInterruptOf(device)).toEqual({ bus: complex.rootBus, device: 9, pin: 2 })
    expect(complex.rootInterruptOf(bridge)).toBeNull()
  })

  it('is reset from above: Secondary Bus Reset reaches everything below, once per edge', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { device: 2 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    port.config.write(0x3e, 2, 0x0040)
    port.config.write(0x3e, 2, 0x0042)
    expect(device.resets).toEqual(['bus'])
    port.config.write(0x3e, 2, 0)
    port.config.write(0x3e, 2, 0x0040)
    expect(device.resets).toEqual(['bus', 'bus'])
  })
})
