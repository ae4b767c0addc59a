import { setUpBounceBuffers } from '../dma/bounce-buffers.ts'
import { type DmaPlatform, dmaOfAll } from '../dma/dma-platform.ts'
import { SharedMemory } from '../dma/shared-memory.ts'
import { subtractRanges } from '../early/memory-map.ts'
import type { MessageDomain } from '../interrupts/message-domain.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { NoIommu } from '../iommu/no-iommu.ts'
import { ConfigAccess } from '../pci/config-access.ts'
import { isBefore } from '../profile/guest-profile.ts'
import { AdapterIndicators } from '../s390x/adapter-indicators.ts'
import { findChannelDevices } from '../s390x/find-channel-devices.ts'
import { Instructions } from '../s390x/instructions.ts'
import { IO_SCH_ISC, IoInterruptions } from '../s390x/io-interruptions.ts'
import { readMemorySize } from '../s390x/memory-size.ts'
import { isProtectedGuest, sharingByUltravisor } from '../s390x/ultravisor.ts'
import { COMMAND_LINE } from '../spec/s390x.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

/** Low memory and the kernel's image: what Linux keeps for itself from address 0 on. */
const KERNEL_BYTES = 0x200_0000
/** A page of it, for the first request to the service processor. */
const EARLY_BLOCK = 0x8000
/** Channel programs, and the pool of bounce buffers, lie below this (ARCH_LOW_ADDRESS_LIMIT). */
const TWO_GIB = 0x8000_0000

const NO_MESSAGES: MessageDomain = {
  allocate: () => 'nothing on this machine takes messages',
  release: () => {},
}

/** Linux on s390x: memory from the service processor, devices from the channel subsystem, sharing by the ultravisor. */
export const startS390x: EarlyCode = (bus, _entry, log) => {
  const instructions = new Instructions(bus)
  const memory = readMemorySize(bus, instructions, EARLY_BLOCK)
  if (memory === 0) return 'the service processor tells of no memory'
  log(`setup: The maximum memory size is ${Math.floor(memory / 0x10_0000)}MB`)
  return {
    bus,
    commandLine: readCommandLine(bus),
    ram: subtractRanges([{ start: 0, end: memory }], [{ start: 0, end: KERNEL_BYTES }]),
    bringUp: (context) => bringUp(context, instructions),
  }
}

function readCommandLine(bus: { readBytes(address: number, into: Uint8Array): void }): string {
  const bytes = new Uint8Array(COMMAND_LINE.bytes)
  bus.readBytes(COMMAND_LINE.address, bytes)
  const end = bytes.indexOf(0)
  return new TextDecoder('latin1').decode(bytes.subarray(0, end < 0 ? bytes.length : end))
}

function bringUp(context: BringUp, instructions: Instructions): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const operands = pages.allocate(1)
  const shareable = pages.allocate(1, TWO_GIB)
  if (operands === null || shareable === null) return 'no memory for channel I/O'
  // DEVIATION: Linux can be a protected guest since 5.3; an older profile's virtio is asked about all the same.
  const isProtected = isProtectedGuest(bus, instructions, operands)
  const shared = isProtected ? new SharedMemory(bus, sharingByUltravisor(bus, instructions, operands)) : null
  if (isProtected) log('The system is running as a protected virtualization guest')
  const dma = setUpDma(context, shared)
  if (shared?.open(shareable, 4096) === false) return 'the ultravisor shares no memory'
  const interruptions = new IoInterruptions(bus)
  const vectors = new Vectors(bus, interruptions, patience, log)
  interruptions.enable(IO_SCH_ISC)
  const adapters = new AdapterIndicators(bus, witness, vectors, shareable)
  const iommu = new NoIommu({ bus, pages, witness, dma, profile, options, log })
  context.useIommu(iommu)
  return {
    vectors,
    messages: NO_MESSAGES,
    pins: { connect: () => 'there is no PCI here' },
    config: new ConfigAccess(bus, [], false),
    iommu,
    dma,
    functions: [],
    platform: findChannelDevices(context, { bus, vectors, instructions, operands, adapters }, dma),
    // Virtio devices must go by what the platform says of memory, since 5.10 (`pv_init`). Proposals are older than that.
    restrictedMemory: isProtected && profile.name === `linux-${profile.kernel}` && !isBefore(profile, '5.10'),
  }
}

/** Of a protected guest all DMA is bounced, through a pool of shared pages; of others, nothing is. */
function setUpDma(context: BringUp, shared: SharedMemory | null): DmaPlatform {
  const bounce = setUpBounceBuffers(context, {
    limited: shared !== null,
    forced: shared !== null,
    below: TWO_GIB,
    ...(shared !== null && { open: (start, length) => shared.share(start, length) }),
  })
  return dmaOfAll({ ...bounce, ...(shared !== null && { closed: shared }) })
}
