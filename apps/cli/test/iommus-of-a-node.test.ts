import { buildDtb, node, parseDtb } from '@dmascope/devicetree'
import { bootGuest, type GuestDevice } from '@dmascope/guest'
import { createMachine, type Machine } from '@dmascope/machine'
import { afterEach, describe, expect, it } from 'vitest'
import { createRng } from '../../../packages/virtio-devices/src/index.ts'
import { VirtioMmioDevice } from '../../../packages/virtio-mmio/src/index.ts'

// QEMU's `virt` has no such device. The tree is its own, with a node as other platforms have it.
const BASE = 0x0b00_0000
const SPI = 60
const STREAM = 0x1234

let made: Machine | null = null
afterEach(() => {
  made?.dispose()
  made = null
})

/** A `virt` with one more transport, and a node for it: in front of both stands the SMMU, or of one of them. */
function boot(options: {
  readonly wired: boolean
  readonly told: boolean
  readonly accessPlatform: boolean
  readonly stream?: number
  readonly append?: string
}) {
  const { machine, deviceTree } = createMachine({
    machine: 'virt',
    qemuVersion: '11.1',
    name: 'virt',
    source: 'file',
    memory: 128 * 0x10_0000,
    cpus: 1,
    cpu: 'cortex-a57',
    defaultDevices: false,
    machineProperties: { 'gic-version': '3', iommu: 'smmuv3' },
    devices: [],
    append: options.append ?? '',
    ignored: [],
  })
  made = machine
  machine.plugPlatform({
    device: new VirtioMmioDevice({
      device: createRng({ seed: 1 }),
      legacy: false,
      accessPlatform: options.accessPlatform,
    }),
    model: 'virtio-rng-device',
    described: null,
    base: BASE,
    size: 0x200,
    wire: SPI,
    ...(options.wired && { behind: { iommu: machine.iommus[0]!, requester: STREAM } }),
  })
  const blob = new Uint8Array(0x10_0000)
  machine.bus.readBytes(deviceTree!, blob)
  const tree = parseDtb(blob)
  const { root } = tree
  const smmu = root.children.find(({ name }) => name.startsWith('smmuv3@'))!
  root.append(
    node('virtio_mmio@b000000', {
      compatible: 'virtio,mmio',
      reg: [0, BASE, 0, 0x200],
      interrupts: [0, SPI, 1],
      'dma-coherent': true,
      ...(options.told && { iommus: [smmu.cell('phandle')!, options.stream ?? STREAM] }),
    }),
  )
  machine.load(deviceTree!, buildDtb(tree))
  machine.endFirmwarePhase()
  const { devices } = bootGuest(machine.bus, {
    profile: 'linux-6.12',
    witness: machine.witness,
    architecture: 'aarch64',
    entry: { deviceTree: deviceTree! },
  })
  const seen = machine.observe().find(({ id }) => id === 'mmio:0xb000000')!
  return { device: devices.find(({ id }) => id === 'b000000.virtio_mmio') as GuestDevice, seen }
}

describe('a device on no bus, whose node has iommus', () => {
  it('gets a group of its own and a domain, and its DMA is translated', () => {
    const { device, seen } = boot({ wired: true, told: true, accessPlatform: true })
    expect(device).toMatchObject({
      firmware: { covered: true, by: 'iommus of /virtio_mmio@b000000' },
      iommuGroup: 0,
      domain: 'dma',
      dmaPath: 'iommu',
      io: { ok: true },
      interrupt: { mode: 'wire' },
    })
    expect(device.why[0]?.fact).toBe("the node's iommus put the device behind /smmuv3@9050000, as 0x1234")
    expect(seen.dma['self-test']).toMatchObject({ untranslated: 0, faulted: 0 })
    expect(seen.dma['self-test'].translated).toBeGreaterThan(0)
    expect(seen.strayCount).toBe(0)
  })

  it('passes through in an identity domain', () => {
    const { device, seen } = boot({ wired: true, told: true, accessPlatform: true, append: 'iommu.passthrough=1' })
    expect(device).toMatchObject({ iommuGroup: 0, domain: 'identity', dmaPath: 'direct', io: { ok: true } })
    expect(seen.dma['self-test'].translated).toBe(0)
  })

  it('is refused by the SMMU where it is given physical addresses all the same: it does not offer bit 33', () => {
    const { device, seen } = boot({ wired: true, told: true, accessPlatform: false })
    expect(device).toMatchObject({ iommuGroup: 0, domain: 'dma', dmaPath: 'physical', io: { ok: false } })
    expect(seen.faults.length).toBeGreaterThan(0)
  })

  it('is refused where the tree does not tell of it', () => {
    const { device, seen } = boot({ wired: true, told: false, accessPlatform: true })
    expect(device).toMatchObject({
      firmware: { covered: false },
      iommuGroup: null,
      dmaPath: 'direct',
      io: { ok: false },
    })
    expect(seen.faults.length).toBeGreaterThan(0)
  })

  it('bypasses an SMMU that it is told to be behind, and reads where no memory is', () => {
    const { device, seen } = boot({ wired: false, told: true, accessPlatform: true })
    expect(device).toMatchObject({ dmaPath: 'iommu', io: { ok: false } })
    expect(seen.dma.probe.untranslated + seen.dma['self-test'].untranslated).toBeGreaterThan(0)
    expect(seen.strayCount).toBeGreaterThan(0)
  })

  it('is declined where its stream is none that the SMMU’s table could hold', () => {
    const { device } = boot({ wired: true, told: true, accessPlatform: true, stream: 0xffff_ffff })
    expect(device.refusal).toContain('/smmuv3@9050000, which firmware puts it behind, gives it no domain')
  })
})
