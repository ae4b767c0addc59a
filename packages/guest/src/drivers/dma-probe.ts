import {
  DMA_PROBE_BAR_BYTES,
  DMA_PROBE_COMMAND,
  DMA_PROBE_COMMAND_READ,
  DMA_PROBE_COMMAND_WRITE_READ,
  DMA_PROBE_DOORBELL,
  DMA_PROBE_READBACK,
  DMA_PROBE_READBACK_BYTES,
  DMA_PROBE_REGISTERS,
  DMA_PROBE_RESULT,
  DMA_PROBE_RESULT_BUSY,
  DMA_PROBE_RESULT_IDLE,
  DMA_PROBE_RESULT_OK,
} from '@dmascope/virtio-devices/spec'
import { busAddress } from '../bus-address.ts'
import type { DeviceRecord } from '../device-record.ts'
import { ANYWHERE } from '../early/page-allocator.ts'
import { connectInterrupt } from '../interrupts/device-interrupt.ts'
import type { Kernel } from '../kernel.ts'
import { enableDevice, placedBar, setMaster } from '../pci/pci-function.ts'
import { RegisterWindow } from '../pci/register-window.ts'
import { type BoundDriver, failed, hung, type IoOutcome, passed, wrong } from './driver.ts'
import { fillPattern, firstDifference, POISON_SEED } from './test-pattern.ts'

const REG = DMA_PROBE_REGISTERS.registers
const { OPERATION, INTERRUPT } = DMA_PROBE_COMMAND.fields
const CHUNK = 4096
const PATTERN = 0xc0de_d00d

/**
 * The driver of the DMA probe: has it read a page and write another, by way of the DMA API, and tell by interrupt.
 *
 * @returns why it declines, where it does
 */
export function probeDmaProbe(kernel: Kernel, record: DeviceRecord): BoundDriver | string {
  const { fn } = record
  const bar = placedBar(fn, 0, 'memory')
  if (bar === null || bar.size < DMA_PROBE_BAR_BYTES) return 'no registers at BAR 0'
  enableDevice(kernel.config, fn)
  setMaster(kernel.config, fn)
  const registers = new RegisterWindow(kernel.bus, bar)
  if (registers.read(REG.SIGNATURE.offset, 4) !== REG.SIGNATURE.resetLo) return 'BAR 0 holds no DMA probe'
  // Less than a page lies beside what others have in it, as small allocations do.
  const chunk = Math.min(CHUNK, Math.max(registers.read(REG.MAX_LENGTH.offset, 4) & ~3, DMA_PROBE_READBACK_BYTES))
  const offset = chunk <= CHUNK / 4 ? chunk : 0
  const maskBits = Math.min(Math.max(registers.read(REG.DMA_BITS.offset, 4), 12), 64)
  const dma = kernel.iommu.dmaOps(fn, maskBits)
  record.dmaPath = dma.kind
  record.why(`DMA API (${dma.kind}) with a mask of ${maskBits} bits`, `${record.driver ?? 'driver'}, dma_set_mask`)
  let result = DMA_PROBE_RESULT_IDLE
  let finished = false
  const refusal = connectInterrupt(kernel, record, () => {
    const now = registers.read(REG.RESULT.offset, 4)
    if (finished || now === DMA_PROBE_RESULT_BUSY || now === DMA_PROBE_RESULT_IDLE) return false
    result = now
    finished = true
    return true
  })
  if (refusal !== null) return refusal
  // What a driver maps is not its own to choose: it may lie where the device does not reach.
  const first = kernel.pages.allocate(1, ANYWHERE)
  if (first === null) return 'no memory for a buffer'
  let page = first

  const run = (operation: number, direction: 'to-device' | 'bidirectional'): IoOutcome | null => {
    let mapping = dma.map(page + offset, chunk, direction, 'DMA probe buffer')
    if (mapping === null) {
      // Drivers of devices with few address bits copy what cannot be mapped to memory that can, as Linux's b44 does.
      const low = kernel.pages.allocate(1, 2 ** Math.min(maskBits, 53))
      if (low === null) return failed('no bus address for a buffer, nor memory within reach')
      record.why(`0x${page.toString(16)} cannot be mapped: moved to 0x${low.toString(16)}`, 'dma_map_single')
      const bytes = new Uint8Array(CHUNK)
      kernel.bus.readBytes(page, bytes)
      kernel.bus.writeBytes(low, bytes)
      kernel.pages.free(page, 1)
      page = low
      mapping = dma.map(page + offset, chunk, direction, 'DMA probe buffer')
    }
    if (mapping === null) return failed('no bus address for a buffer')
    record.why(`buffer at 0x${(page + offset).toString(16)}, given to the device as ${busAddress(mapping)}`, dma.kind)
    finished = false
    registers.write(REG.ADDRESS_LO.offset, 4, mapping.lo)
    registers.write(REG.ADDRESS_HI.offset, 4, mapping.hi)
    registers.write(REG.LENGTH.offset, 4, chunk)
    registers.write(REG.PATTERN.offset, 4, PATTERN)
    registers.write(REG.COMMAND.offset, 4, INTERRUPT.setLo(OPERATION.setLo(0, operation), 1))
    registers.write(REG.DOORBELL.offset, 4, DMA_PROBE_DOORBELL.fields.START.loMask)
    kernel.vectors.wait(() => finished)
    if (!finished) {
      const busy = registers.read(REG.RESULT.offset, 4) === DMA_PROBE_RESULT_BUSY
      return hung(
        1,
        `a transfer never completed: ${busy ? 'the machine is idle' : 'the device finished, but no interrupt came'}`,
        !busy,
      )
    }
    dma.unmap(mapping)
    record.dmaPath = dma.kind
    if (result === DMA_PROBE_RESULT_OK) return null
    const { values } = DMA_PROBE_RESULT.fields.CODE
    return failed(`the probe reports: ${values?.[result] ?? `0x${result.toString(16)}`}`)
  }
  return {
    ioKind: 'synthetic',
    selfTest() {
      kernel.bus.writeBytes(page, fillPattern(new Uint8Array(CHUNK), POISON_SEED))
      const written = run(DMA_PROBE_COMMAND_WRITE_READ, 'bidirectional')
      if (written !== null) return written
      const got = new DataView(new ArrayBuffer(CHUNK))
      kernel.bus.readBytes(page, new Uint8Array(got.buffer))
      const others = fillPattern(new Uint8Array(CHUNK), POISON_SEED)
      for (let at = 0; at < CHUNK; at += 4) {
        const value = got.getUint32(at, true)
        const own = at >= offset && at < offset + chunk
        if (own && value !== PATTERN)
          return wrong(`what the probe wrote is not in memory: 0x${value.toString(16)} at byte ${at - offset}`)
        if (!own && value !== new DataView(others.buffer).getUint32(at, true))
          return wrong(`0x${value.toString(16)} at byte ${at} of the page is not the probe’s to write`)
      }
      const pattern = fillPattern(new Uint8Array(chunk), 1)
      kernel.bus.writeBytes(page + offset, pattern)
      const read = run(DMA_PROBE_COMMAND_READ, 'to-device')
      if (read !== null) return read
      const seen = new Uint8Array(DMA_PROBE_READBACK_BYTES)
      for (let at = 0; at < seen.length; at += 4) {
        new DataView(seen.buffer).setUint32(at, registers.read(DMA_PROBE_READBACK + at, 4), true)
      }
      const misread = firstDifference(seen, pattern.subarray(0, seen.length))
      if (misread !== null) return wrong(`the probe read other data than were in memory, ${misread}`)
      return passed(`the probe read and wrote ${chunk === CHUNK ? '4 KiB' : `${chunk} bytes`}`)
    },
  }
}
