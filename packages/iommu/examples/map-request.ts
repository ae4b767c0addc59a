import { NO_PASID, type Translation } from '@dmascope/iommu'
import { VirtioIommuUnit, virtioIommuOptionsFor } from '@dmascope/iommu/virtio-iommu'
import { splitRingLayout } from '@dmascope/virtqueue'
import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, SplitDriverQueue } from '@dmascope/virtqueue/driver'

// The request queue in memory of its own; no transport, so the driver hands its queue over itself.
const memory = new Uint8Array(0x1_0000)
const view = new DataView(memory.buffer)
const dma = createFlatPort(memory)
const { desc, driver, device } = splitRingLayout(256, 4096)
const rings = { size: 256, desc, driver, device }
const features = { indirect: false, eventIndex: false }
const requests = new SplitDriverQueue(createFlatBus(memory), rings, features)
const queue = new SplitDeviceQueue(
  dma,
  { size: 256, descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device },
  features,
)

const x86 = { msi: { start: 0xfee0_0000, end: 0xfeef_ffff }, inputBits: 39 }
const unit = new VirtioIommuUnit(virtioIommuOptionsFor('11.1', x86))
unit.activate([queue, null], unit.features, { dma, interrupt() {}, configChanged() {}, needsReset() {} })

const send = (...words: number[]): string => {
  for (const [index, word] of words.entries()) view.setUint32(0x8000 + 4 * index, word, true)
  requests.add(new BufferList(2).readable(0, 0x8000, words.length * 4).writable(0, 0x9000, 4), 0)
  requests.publish()
  unit.notify(0)
  unit.work(64)
  requests.reap()
  return `status ${view.getUint8(0x9000)}`
}
const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
const read = (): string =>
  unit.translate(0x18, NO_PASID, 'untranslated', 0, 0x1040, 1, out) === 0
    ? `${out.route} to 0x${out.lo.toString(16)}`
    : `fault: ${unit.faultsSeen.at(-1)?.text}`

console.log('before the driver came:', read())
console.log('ATTACH 00:03.0 to domain 1:', send(1, 1, 0x18, 0, 0), '-', read())
console.log('MAP 0x1000:', send(3, 1, 0x1000, 0, 0x1fff, 0, 0x80_0000, 0, 1), '-', read())
console.log('UNMAP half of it:', send(4, 1, 0x1000, 0, 0x17ff, 0, 0), '-', read())
console.log('UNMAP:', send(4, 1, 0, 0, 0xffff, 0, 0), '-', read())
console.log('DETACH:', send(2, 1, 0x18, 0, 0), '-', read())
