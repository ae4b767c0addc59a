import { formatBits } from '@dmascope/layout'
import { DmaProbe } from '@dmascope/virtio-devices'
import { DMA_PROBE_COMMAND_WRITE_READ, DMA_PROBE_REGISTERS, DMA_PROBE_RESULT } from '@dmascope/virtio-devices/spec'
import { createFlatPort } from '@dmascope/virtqueue/device'

const probe = new DmaProbe()
// 64 KiB of memory, and nothing behind it. In a machine the port leads through an IOMMU.
probe.connect(createFlatPort(new Uint8Array(65_536)), { msi: () => 0, intx: () => {} })

const { ADDRESS_LO, LENGTH, COMMAND, DOORBELL, RESULT, PATTERN } = DMA_PROBE_REGISTERS.registers
const out = new Uint32Array(2)
for (const address of [0x1000, 0xfffe]) {
  probe.writeBar(0, ADDRESS_LO.offset, 4, address, 0)
  probe.writeBar(0, LENGTH.offset, 4, 4, 0)
  probe.writeBar(0, PATTERN.offset, 4, 0xc0ffee, 0)
  probe.writeBar(0, COMMAND.offset, 4, DMA_PROBE_COMMAND_WRITE_READ, 0)
  probe.writeBar(0, DOORBELL.offset, 4, 1, 0)
  while (probe.work(1) !== 'idle');
  probe.readBar(0, RESULT.offset, 4, out)
  console.log(`0x${address.toString(16)}: ${formatBits(DMA_PROBE_RESULT, out[0]!, 0, { zeros: true })}`)
}
