import {
  COLLECTION_DW2,
  EVENT_DW1,
  ITS_COMMAND,
  ITS_COMMAND_CODE,
  ITS_DW0,
  MAPD_DW1,
  MAPD_DW2,
} from '@dmascope/gic/spec'

const { DW0, DW1, DW2 } = ITS_COMMAND.fields
type Pair = readonly [lo: number, hi: number]

function command(code: number, deviceId: number, one: Pair = [0, 0], two: Pair = [0, 0]): Uint8Array {
  const bytes = new Uint8Array(ITS_COMMAND.size)
  const view = new DataView(bytes.buffer)
  DW0.lo.set(view, 0, ITS_DW0.fields.Code.setLo(0, code))
  DW0.hi.set(view, 0, ITS_DW0.fields.DeviceID.setHi(0, deviceId))
  for (const [field, [lo, hi]] of [
    [DW1, one],
    [DW2, two],
  ] as const) {
    field.lo.set(view, 0, lo)
    field.hi.set(view, 0, hi)
  }
  return bytes
}

const eventPair = (event: number, intid = 0): Pair => [
  EVENT_DW1.fields.EventID.setLo(0, event),
  EVENT_DW1.fields.pINTID.setHi(0, intid),
]

/** The first processor's collection, and where it goes: its number, or its redistributor, in units of 64 KiB. */
const collectionPair = (target: number): Pair => {
  const { Valid, RDbase } = COLLECTION_DW2.fields
  return [RDbase.setLo(0, target), (RDbase.setHi(0, target) | Valid.hiMask) >>> 0]
}

export const mapCollection = (target: number): Uint8Array =>
  command(ITS_COMMAND_CODE.MAPC, 0, undefined, collectionPair(target))

export const sync = (target: number): Uint8Array => {
  const { RDbase } = COLLECTION_DW2.fields
  return command(ITS_COMMAND_CODE.SYNC, 0, undefined, [RDbase.setLo(0, target), RDbase.setHi(0, target)])
}

export const invalidateAll = (): Uint8Array => command(ITS_COMMAND_CODE.INVALL, 0)

/** @param eventBits - width of the device's events */
export const mapDevice = (deviceId: number, table: number, eventBits: number): Uint8Array => {
  const { Valid, ITT_addr } = MAPD_DW2.fields
  return command(
    ITS_COMMAND_CODE.MAPD,
    deviceId,
    [MAPD_DW1.fields.Size.setLo(0, eventBits - 1), 0],
    [ITT_addr.setLo(0, table), (ITT_addr.setHi(0, table) | Valid.hiMask) >>> 0],
  )
}

export const mapInterrupt = (deviceId: number, event: number, intid: number): Uint8Array =>
  command(ITS_COMMAND_CODE.MAPTI, deviceId, eventPair(event, intid))

export const invalidate = (deviceId: number, event: number): Uint8Array =>
  command(ITS_COMMAND_CODE.INV, deviceId, eventPair(event))

export const discard = (deviceId: number, event: number): Uint8Array =>
  command(ITS_COMMAND_CODE.DISCARD, deviceId, eventPair(event))
