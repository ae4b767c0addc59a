import {
  BUS_MASTER_BLOCK_BYTES,
  BUS_MASTER_CONTROL,
  BUS_MASTER_INTERRUPT_ENABLE,
  BUS_MASTER_OPERATION_COPY,
  BUS_MASTER_REGISTERS,
  BUS_MASTER_SIGNATURE,
  BUS_MASTER_STATUS,
} from '@dmascope/virtio-devices/spec'
import { busAddress } from '../bus-address.ts'
import { crc32 } from '../checksum.ts'
import type { DeviceRecord } from '../device-record.ts'
import { ANYWHERE } from '../early/page-allocator.ts'
import { connectInterrupt } from '../interrupts/device-interrupt.ts'
import type { Kernel } from '../kernel.ts'
import type { Bar } from '../pci/bars.ts'
import { enableDevice, type PciFunction, setMaster } from '../pci/pci-function.ts'
import { RegisterWindow } from '../pci/register-window.ts'
import { type BoundDriver, failed, hung, type IoOutcome, notAttempted, passed, wrong } from './driver.ts'
import { firstDifference, POISON_SEED, patternOf, sameBytes } from './test-pattern.ts'

const REG = BUS_MASTER_REGISTERS.registers
const CHUNK = 4096

const hasRoom = ({ kind, base, size }: Bar): boolean =>
  kind === 'memory' && base !== 0 && size >= BUS_MASTER_BLOCK_BYTES

/** The test block, in whichever BAR it stands; null where there is none, or where the function does not decode. */
export function findTestBlock(kernel: Kernel, fn: PciFunction): RegisterWindow | null {
  for (const bar of fn.bars.filter(hasRoom)) {
    const registers = new RegisterWindow(kernel.bus, bar)
    if (registers.read(REG.SIGNATURE.offset, 4) === BUS_MASTER_SIGNATURE) return registers
  }
  return null
}

/** Address bits that the device drives, for one that is bound to no driver that would know. */
export const statedMaskBits = (block: RegisterWindow): number =>
  Math.min(Math.max(block.read(REG.DMA_MASK_BITS.offset, 4), 1), 64)

/**
 * The driver of devices that are modelled by their DMA alone: whatever the real driver would do, this one has the
 * function copy memory, by way of the DMA API, and tell by interrupt.
 *
 * @param maskBits - address bits that the real driver asks for
 * @returns why it declines, where it does
 */
export function probeBusMaster(kernel: Kernel, record: DeviceRecord, maskBits: number): BoundDriver | string {
  const { fn } = record
  if (!fn.bars.some(hasRoom)) return 'no memory BAR'
  enableDevice(kernel.config, fn)
  setMaster(kernel.config, fn)
  const registers = findTestBlock(kernel, fn)
  if (registers === null) {
    return {
      ioKind: 'synthetic',
      selfTest: () => notAttempted('the function has no DMA test block: its own driver is not modelled'),
    }
  }
  if (BUS_MASTER_STATUS.fields.NOT_READY.get(registers.read(REG.STATUS.offset, 4)) === 1) {
    return 'Device not ready; aborting initialisation'
  }
  const dma = kernel.iommu.dmaOps(fn, maskBits)
  record.dmaPath = dma.kind
  record.why(`DMA API (${dma.kind}) with a mask of ${maskBits} bits`, `${record.driver ?? 'driver'}, dma_set_mask`)
  let finished = false
  let error = 0
  const { DONE, ERROR } = BUS_MASTER_STATUS.fields
  const refusal = connectInterrupt(kernel, record, () => {
    const status = registers.read(REG.STATUS.offset, 4)
    if (status === 0xffff_ffff || DONE.get(status) === 0) return false
    registers.write(REG.STATUS.offset, 4, DONE.loMask)
    error = ERROR.get(status)
    finished = true
    return true
  })
  if (refusal !== null) return refusal
  // What a driver maps is not its own to choose: it may lie where the device does not reach.
  const source = kernel.pages.allocate(1, ANYWHERE)
  const target = kernel.pages.allocate(1, ANYWHERE)
  if (source === null || target === null) return 'no memory for buffers'

  const copy = (seed: number): IoOutcome | null => {
    const pattern = patternOf(CHUNK, seed)
    const poison = patternOf(CHUNK, POISON_SEED)
    kernel.bus.writeBytes(source, pattern)
    kernel.bus.writeBytes(target, poison)
    const from = dma.map(source, CHUNK, 'to-device', 'synthetic source buffer')
    const to = dma.map(target, CHUNK, 'from-device', 'synthetic target buffer')
    if (from === null || to === null) {
      if (from !== null) dma.unmap(from)
      if (to !== null) dma.unmap(to)
      return failed('no bus address for a buffer')
    }
    if (seed === 1) {
      for (const given of [from, to]) {
        record.why(`buffer at 0x${given.cpu.toString(16)}, given to the device as ${busAddress(given)}`, dma.kind)
      }
    }
    finished = false
    registers.write(REG.SOURCE_LO.offset, 4, from.lo)
    registers.write(REG.SOURCE_HI.offset, 4, from.hi)
    registers.write(REG.DESTINATION_LO.offset, 4, to.lo)
    registers.write(REG.DESTINATION_HI.offset, 4, to.hi)
    registers.write(REG.LENGTH.offset, 4, CHUNK)
    registers.write(REG.INTERRUPT_ENABLE.offset, 4, BUS_MASTER_INTERRUPT_ENABLE.fields.DONE.loMask)
    registers.write(REG.CONTROL.offset, 4, BUS_MASTER_CONTROL.fields.OPERATION.setLo(0, BUS_MASTER_OPERATION_COPY))
    kernel.vectors.wait(() => finished)
    if (!finished) {
      const status = registers.read(REG.STATUS.offset, 4)
      const done = DONE.get(status) === 1
      const silent = done ? 'the device finished, but no interrupt came' : 'the machine is idle'
      return hung(1, `a copy of ${CHUNK} bytes never completed: ${silent}`, done)
    }
    const read = registers.read(REG.CHECKSUM.offset, 4)
    dma.unmap(from)
    dma.unmap(to)
    record.dmaPath = dma.kind
    if (error !== 0) return failed(`the device reports: ${ERROR.values?.[error] ?? `error ${error}`}`)
    const got = new Uint8Array(CHUNK)
    kernel.bus.readBytes(target, got)
    if (read !== crc32(pattern)) return wrong('the device read other data than were in memory')
    if (sameBytes(got, poison)) return wrong('completed, but nothing was written to the target buffer')
    const difference = firstDifference(got, pattern)
    return difference === null ? null : wrong(`what the device wrote differs at ${difference}`)
  }
  return {
    ioKind: 'synthetic',
    selfTest() {
      const count = Math.max(1, Math.floor(kernel.selfTestBytes / CHUNK))
      for (let index = 0; index < count; index++) {
        const failure = copy(index + 1)
        if (failure !== null) return failure
      }
      return passed(`copied ${(count * CHUNK) / 1024} KiB, checksums match`)
    },
  }
}
