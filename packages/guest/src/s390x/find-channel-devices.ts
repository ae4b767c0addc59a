import { channelOwner } from '@dmascope/memory/contracts'
import {
  IO_INSTRUCTION,
  PMCW_FLAGS,
  SCHIB,
  SUBCHANNEL_SETS,
  SUBCHANNELS_IN_SET,
  subsystemId,
} from '@dmascope/virtio-ccw/spec'
import type { BringUp } from '../architecture/architecture.ts'
import { type DmaPlatform, directDma } from '../dma/dma-platform.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import { type ChannelKernel, Subchannel } from './subchannel.ts'

const NOT_OPERATIONAL = 3
const AREA_BYTES = 4096
/** Addresses of channel programs and their data. */
const CHANNEL_ADDRESS_BITS = 31

/**
 * Every device at the end of a subchannel: STSCH, in ascending order in each set until the machine has no more; then each
 * is enabled, and asked what it is (Linux's `css_schedule_eval_all`, `io_subchannel_probe`).
 */
export function findChannelDevices(
  { pages, witness, log }: Pick<BringUp, 'pages' | 'witness' | 'log'>,
  kernel: ChannelKernel,
  dma: DmaPlatform,
): PlatformDevice[] {
  const { bus, instructions, operands } = kernel
  const bytes = new Uint8Array(SCHIB.size)
  const schib = new DataView(bytes.buffer)
  const { offset, fields } = SCHIB.fields.pmcw
  const found: PlatformDevice[] = []
  for (let set = 0; set < SUBCHANNEL_SETS; set++) {
    for (let number = 0; number < SUBCHANNELS_IN_SET; number++) {
      const id = subsystemId(set, number)
      const condition = instructions.io(IO_INSTRUCTION.STSCH, id, operands)
      if (condition === NOT_OPERATIONAL || condition < 0) break
      bus.readBytes(operands, bytes)
      if (PMCW_FLAGS.fields.V.get(fields.flags.get(schib, offset)) === 0) continue
      const deviceNumber = fields.dev.get(schib, offset)
      const owner = channelOwner(set, deviceNumber)
      const name = owner.slice('ccw:'.length)
      const area = directDma({ pages, witness, dma }, { id: owner }, CHANNEL_ADDRESS_BITS).allocCoherent(
        AREA_BYTES,
        'channel program and its data',
      )
      if (area === null) {
        log(`cio: no memory below 2 GiB for device ${name}, nor for any other`)
        return found
      }
      const subchannel = new Subchannel(kernel, id, area)
      if (!subchannel.enable()) continue
      const sensed = subchannel.recognize()
      if (sensed === null) {
        log(`cio: device ${name} on subchannel 0.${set}.${hex4(number)} does not say what it is: SENSE ID failed`)
        continue
      }
      log(`cio: device ${name}: control unit ${hex4(sensed.cuType)}/${hex2(sensed.cuModel)}`)
      found.push(describe(name, owner, sensed.cuType, subchannel))
    }
  }
  return found
}

const describe = (name: string, owner: string, cuType: number, channel: Subchannel): PlatformDevice => ({
  id: name,
  owner,
  channel,
  compatible: [`ccw:t${hex4(cuType).toUpperCase()}`],
  base: 0,
  size: 0,
  interrupt: null,
  coherent: true,
  source: `subchannel of device ${name}`,
  iommu: 'no IOMMU stands in front of channels',
  behind: null,
})

const hex4 = (value: number): string => value.toString(16).padStart(4, '0')
const hex2 = (value: number): string => value.toString(16).padStart(2, '0')
