import type { CpuBus } from '@dmascope/memory'
import { describe, expect, it } from 'vitest'
import { coherencyDma } from '../src/arm64/coherency-dma.ts'
import type { EcamHostBridge } from '../src/pci/ecam-host-bridge.ts'
import type { PlatformDevice } from '../src/platform/platform-device.ts'

const UNCACHED = 2 ** 48
const REGISTER = 0x0900_0000

function setup({
  cached = true,
  buffered = false,
  rules = {} as { cacheMaintenance?: boolean; writeDrain?: boolean },
}) {
  const done: string[] = []
  const note =
    (what: string) =>
    (address: number, length: number): void =>
      void done.push(`${what} 0x${address.toString(16)}+${length}`)
  const bus = {
    read32: (address: number) => {
      done.push(`read 0x${address.toString(16)}`)
      return 0
    },
    uncachedOffset: UNCACHED,
    ...(cached && { cache: { lineBytes: 64, clean: note('clean'), invalidate: note('invalidate') } }),
  } as unknown as CpuBus
  const bridge = (segment: number, coherent: boolean) =>
    ({ ecam: { segment }, coherency: { coherent, by: `/pcie${segment}` } }) as EcamHostBridge
  const device = (base: number, coherent: boolean) => ({ base, coherent, source: `/at${base}` }) as PlatformDevice
  const platform = {
    hostBridges: [bridge(0, false), bridge(1, true)],
    devices: [device(0xa00_0000, false), device(0xa00_0200, true)],
    ...(buffered && { writeBuffer: { register: REGISTER, by: '/write-buffer' } }),
  }
  const dma = coherencyDma(platform, bus, { cacheMaintenance: true, writeDrain: true, ...rules })
  return { done, parts: (id: string) => dma.partsOf({ id }), why: (id: string) => dma.why?.({ id }) ?? [] }
}

describe('what direct DMA takes for coherency', () => {
  it('is nothing for a device that the tree calls coherent, or on a machine without such a cache', () => {
    const { parts, why } = setup({})
    for (const id of ['0001:00:03.0', 'mmio:0xa000200', '0002:00:00.0']) expect([parts(id), why(id)]).toEqual([{}, []])
    const without = setup({ cached: false })
    expect([without.parts('0000:00:03.0'), without.why('0000:00:03.0')]).toEqual([{}, []])
  })

  it.each(['0000:00:03.0', 'mmio:0xa000000'])('is maintenance for %s, in the order of arm64', (id) => {
    const { done, parts, why } = setup({})
    const { coherency, barrier } = parts(id)
    coherency?.beforeDevice(0x1000, 32, 'to-device')
    coherency?.afterDevice(0x1000, 32, 'to-device')
    expect(done).toEqual(['clean 0x1000+32'])
    for (const direction of ['from-device', 'bidirectional'] as const) {
      done.length = 0
      coherency?.beforeDevice(0x1000, 32, direction)
      coherency?.afterDevice(0x1000, 32, direction)
      expect(done).toEqual(['clean 0x1000+32', 'invalidate 0x1000+32'])
    }
    expect(coherency?.uncached(0x1000, 32)).toBe(UNCACHED + 0x1000)
    expect(barrier).toBeUndefined()
    expect(why(id)).toHaveLength(1)
  })

  it('drains writes by the register of the tree, for every device, and has memory for both past the buffer', () => {
    const { done, parts } = setup({ cached: false, buffered: true })
    const { coherency, barrier } = parts('0001:00:03.0')
    barrier?.drain()
    expect(done).toEqual([`read 0x${REGISTER.toString(16)}`])
    expect(coherency?.uncached(0x2000, 8)).toBe(UNCACHED + 0x2000)
  })

  it('is left out by a kernel without the rule, which the reasons say', () => {
    const lazy = setup({ rules: { cacheMaintenance: false } })
    expect(lazy.parts('0000:00:03.0')).toEqual({})
    expect(lazy.why('0000:00:03.0')[0]?.fact).toMatch(/this kernel’s does not/)
    const undrained = setup({ cached: false, buffered: true, rules: { writeDrain: false } })
    expect(undrained.parts('0000:00:03.0')).toEqual({})
    expect(undrained.why('0000:00:03.0')[0]?.fact).toMatch(/this kernel’s does not/)
  })
})
