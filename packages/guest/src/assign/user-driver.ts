import { DirectDma } from '@dmascope/dma'
import {
  MSI_CAPABILITY_32,
  MSI_MESSAGE_CONTROL,
  MSIX_MESSAGE_CONTROL,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
} from '@dmascope/pci/spec'
import { DeviceRecord } from '../device-record.ts'
import { probeSynthetic, virtioDriverOf } from '../drivers/bind.ts'
import { findTestBlock, statedMaskBits } from '../drivers/bus-master-test.ts'
import { type BoundDriver, hung, type IoOutcome, notAttempted } from '../drivers/driver.ts'
import type { IommuSubsystem } from '../iommu/contract.ts'
import type { Kernel } from '../kernel.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { VirtioDmaRule } from '../profile/virtio-dma-rule.ts'
import { bindVirtioDriver } from '../virtio/negotiate.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import { probeVirtioPci } from '../virtio/virtio-pci.ts'

/** What a device came to under a driver that had it for one test. */
export interface Drive {
  readonly record: DeviceRecord
  readonly outcome: IoOutcome
  readonly virtio: VirtioDevice | null
}

/** A program that has a device by VFIO knows no addresses but those that it mapped. */
const USER_PROGRAM: VirtioDmaRule = {
  name: 'user program',
  says: 'The addresses that the program mapped, whatever the device negotiated.',
  decide: () => ({ path: 'dma-api', because: 'a program that has the device by VFIO maps its memory itself' }),
}

/** The kernel as a user's program stands on it: what it gives a device are addresses in the program's own domain. */
export const asUser = (kernel: Kernel): Kernel => ({
  ...kernel,
  profile: { ...kernel.profile, virtioDma: USER_PROGRAM },
})

/** The same program, which now gives the device physical addresses of memory that it never mapped. */
export const asIntruder = (kernel: Kernel): Kernel => ({ ...asUser(kernel), iommu: withRawAddresses(kernel) })

function withRawAddresses({ iommu, pages, witness }: Kernel): IommuSubsystem {
  const dmaOps: IommuSubsystem['dmaOps'] = ({ id }, maskBits) => new DirectDma({ owner: id, maskBits, pages, witness })
  return new Proxy(iommu, {
    get(target, key) {
      if (key === 'dmaOps') return dmaOps
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Has a driver take the device and move data through it once. The device is reset before; `letGo` ends it. */
export function drive(kernel: Kernel, fn: PciFunction, maskBits: number): Drive {
  const record = new DeviceRecord(fn)
  const failed = (why: string): Drive => ({ record, outcome: notAttempted(why), virtio: null })
  if (isVirtio(fn)) {
    const device = probeVirtioPci(kernel, record, 0)
    if (typeof device === 'string') return failed(device)
    const driver = virtioDriverOf(device.transport.type)
    if (driver === undefined || driver.kernelOnly === true) {
      return { ...failed(`no program drives virtio devices of type ${device.transport.type}`), virtio: device }
    }
    const bound = bindVirtioDriver(device, driver)
    if (typeof bound === 'string') return { ...failed(bound), virtio: device }
    return { record, outcome: run(bound), virtio: device }
  }
  const bound = probeSynthetic(kernel, record, maskBits)
  return typeof bound === 'string' ? failed(bound) : { record, outcome: run(bound), virtio: null }
}

/** A request that never ends in the driver's own start is an attempt, too. */
const run = (bound: BoundDriver): IoOutcome => {
  if (bound.ioKind === 'none') return notAttempted('nothing to test')
  return bound.stuck === undefined ? bound.selfTest() : hung(1, bound.stuck, false)
}

/** Address bits that a driver would ask for. */
export function maskBitsOf(kernel: Kernel, fn: PciFunction, driver: string | null): number {
  const known = kernel.profile.drivers.find(({ name }) => name === driver)?.dmaMaskBits
  if (known != null) return known
  const block = findTestBlock(kernel, fn)
  return block === null ? 32 : statedMaskBits(block)
}

const VIRTIO_VENDOR = 0x1af4
const FIRST_VIRTIO_ID = 0x1000
const LAST_VIRTIO_ID = 0x107f
const isVirtio = ({ vendorId, deviceId }: PciFunction): boolean =>
  vendorId === VIRTIO_VENDOR && deviceId >= FIRST_VIRTIO_ID && deviceId <= LAST_VIRTIO_ID

/** Ends what a driver had of a device: the device forgets its rings, and its interrupts are off. */
export function letGo(kernel: Kernel, fn: PciFunction, virtio: VirtioDevice | null): void {
  virtio?.transport.reset()
  for (const queue of virtio?.queues ?? []) for (const { mapping } of queue.pieces) virtio?.dma?.freeCoherent(mapping)
  const { config } = kernel
  const turnOff = (id: number, bit: { setLo(word: number, value: number): number }): void => {
    const capability = fn.capabilities.get(id)
    if (capability === undefined) return
    // Message Control stands in the same place in both capabilities.
    const at = capability + MSI_CAPABILITY_32.registers.MESSAGE_CONTROL.offset
    config.write(fn, at, 2, bit.setLo(config.read(fn, at, 2), 0))
  }
  turnOff(PCI_CAP_ID_MSIX, MSIX_MESSAGE_CONTROL.fields.MSIX_ENABLE)
  turnOff(PCI_CAP_ID_MSI, MSI_MESSAGE_CONTROL.fields.MSI_ENABLE)
  kernel.interrupts.releaseAll(fn)
}
