import { AddressSpace, GuestRam } from '@dmascope/memory'
import { GicV3, Its } from '../src/index.ts'
import { SYSTEM_REGISTERS } from '../src/spec/index.ts'

const MIB = 0x10_0000
/** Where this guest puts what the hardware needs. */
export const PROPERTIES = 1 * MIB
export const PENDING = 2 * MIB
export const DEVICES = 3 * MIB
const COLLECTIONS = 4 * MIB
export const QUEUE = 5 * MIB
export const EVENTS = 6 * MIB

export interface Rig {
  readonly ram: GuestRam
  readonly space: AddressSpace
  readonly gic: GicV3
  readonly its: Its
  command(dw0: readonly [number, number], dw1: readonly [number, number], dw2: readonly [number, number]): void
  take(): number
  end(intid: number): void
}

/** A GICv3 with an ITS over 16 MiB of RAM. */
export function createRig(affinities: readonly number[] = [0]): Rig {
  const ram = new GuestRam([{ base: 0, size: 16 * MIB }])
  const space = new AddressSpace(ram)
  const gic = new GicV3({ spis: 256, affinities, readByte: (address) => space.read(address, 1) })
  const its = new Its(space, gic.lpiTables)
  let tail = 0
  return {
    ram,
    space,
    gic,
    its,
    command(dw0, dw1, dw2) {
      ;[...dw0, ...dw1, ...dw2, 0, 0].forEach((word, index) => {
        space.write(QUEUE + tail + index * 4, 4, word)
      })
      tail = (tail + 32) % 0x1_0000
      its.write(0x88, 4, tail)
    },
    take: () => gic.readSystemRegister(SYSTEM_REGISTERS.ICC_IAR1_EL1),
    end: (intid) => gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_EOIR1_EL1, intid),
  }
}

export const SYNC = 0x05
export const MAPD = 0x08
export const MAPC = 0x09
export const MAPTI = 0x0a
export const INV = 0x0c

/** Brings distributor, CPU interface, LPIs and ITS up; its device table is flat, of 64 KiB pages. */
export function bringUp({ gic, its, command }: Rig): void {
  gic.distributor.write(0, 4, 0x12)
  gic.redistributors.write(0x14, 4, 0)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_PMR_EL1, 0xf0)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, 1)
  gic.redistributors.write(0x70, 4, PROPERTIES | 15)
  gic.redistributors.write(0x74, 4, 0)
  gic.redistributors.write(0x78, 4, PENDING)
  gic.redistributors.write(0, 4, 1)
  its.write(0x100, 4, DEVICES | (2 << 8))
  its.write(0x104, 4, 0x8000_0000)
  its.write(0x108, 4, COLLECTIONS | (2 << 8))
  its.write(0x10c, 4, 0x8000_0000)
  its.write(0x80, 4, QUEUE | 15)
  its.write(0x84, 4, 0x8000_0000)
  its.write(0x88, 4, 0)
  its.write(0, 4, 1)
  command([MAPC, 0], [0, 0], [0, 0x8000_0000])
}

/** Maps one event of a device to an LPI of priority 0xa0, enabled. */
export function mapEvent(rig: Rig, deviceId: number, event: number, intid: number): void {
  rig.space.write(PROPERTIES + intid - 8192, 1, 0xa1 | 2)
  rig.command([MAPTI, deviceId], [event, intid], [0, 0])
  rig.command([INV, deviceId], [event, 0], [0, 0])
}
