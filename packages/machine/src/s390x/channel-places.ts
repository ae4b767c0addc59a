import type { ChannelPlace } from '@dmascope/virtio-ccw'
import { refusePlace } from '../build/placed-bus.ts'
import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceDescription } from '../description.ts'

/** QEMU's VIRTUAL_CSSID: the image that software sees as its first. */
const VIRTUAL_IMAGE = 0xfe
const DEVICE_NUMBERS = 0x1_0000
const SETS = 4

/**
 * Subchannels and device numbers in order of creation, by QEMU's rules: the first subchannel that is free, and with it
 * the device number that is given (`devno=fe.0.1234`), or the first free one from the subchannel's own number on.
 */
export class ChannelPlaces {
  readonly #numbers: Set<number>[] = Array.from({ length: SETS }, () => new Set())
  readonly #subchannels: number[] = new Array<number>(SETS).fill(0)

  /** @throws DmascopeError MACHINE_PROPERTY_VALUE or MACHINE_SLOT, near QEMU's words */
  place(description: DeviceDescription, { devno }: Properties): ChannelPlace {
    const stated = devno === undefined || devno === '' ? null : readDevno(description, String(devno))
    const set = stated?.set ?? 0
    const taken = this.#numbers[set]!
    const number = this.#subchannels[set]!++
    let deviceNumber = stated?.deviceNumber ?? number
    if (stated !== null && taken.has(deviceNumber)) {
      throw refusePlace('MACHINE_SLOT', description, `Device ${devno} already exists; write another devno`)
    }
    while (taken.has(deviceNumber)) deviceNumber = (deviceNumber + 1) % DEVICE_NUMBERS
    taken.add(deviceNumber)
    return { set, number, deviceNumber }
  }
}

/** `fe.0.1234`: image, subchannel set, device number, all hexadecimal. */
function readDevno(description: DeviceDescription, devno: string): { set: number; deviceNumber: number } {
  const match = /^([0-9a-f]{1,2})\.([0-9a-f])\.([0-9a-f]{1,4})$/i.exec(devno)
  const set = Number.parseInt(match?.[2] ?? '', 16)
  if (match === null || !(set < SETS)) {
    throw refusePlace('MACHINE_PROPERTY_VALUE', description, `devno '${devno}' is none; write it as fe.0.1234`)
  }
  if (Number.parseInt(match[1]!, 16) !== VIRTUAL_IMAGE) {
    throw refusePlace(
      'MACHINE_PROPERTY_VALUE',
      description,
      `cssid ${match[1]} is not that of virtual devices; write devno=fe.${match[2]}.${match[3]}`,
    )
  }
  return { set, deviceNumber: Number.parseInt(match[3]!, 16) }
}
