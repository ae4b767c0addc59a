import type { DeviceEntry, EventEntry, ItsTables } from './its-tables.ts'
import type { LpiTable } from './lpi-table.ts'
import {
  COLLECTION_DW2,
  EVENT_DW1,
  GITS_BASER_TYPE,
  ITS_COMMAND,
  ITS_COMMAND_CODE,
  ITS_DW0,
  MAPD_DW1,
  MAPD_DW2,
} from './spec/its.ts'

const { DW0, DW1, DW2 } = ITS_COMMAND.fields
const ID_END = 2 ** 16

/** What its commands work on. */
export interface ItsState {
  readonly tables: ItsTables
  readonly lpis: readonly (LpiTable | null)[]
  /** GITS_BASER of this type, as (lo, hi). */
  base(type: number): readonly [lo: number, hi: number]
}

/** A command's words, as pairs. */
interface Words {
  readonly deviceId: number
  readonly one: readonly [lo: number, hi: number]
  readonly two: readonly [lo: number, hi: number]
}

type Handler = (state: ItsState, words: Words) => void

const eventOf = ({ one }: Words): number => EVENT_DW1.fields.EventID.get(...one)
const collectionOf = ({ two }: Words): number => COLLECTION_DW2.fields.ICID.get(...two)

function found(state: ItsState, words: Words): { device: DeviceEntry; event: EventEntry } | null {
  const device = state.tables.readDevice(...state.base(GITS_BASER_TYPE.devices), words.deviceId)
  const event = device && state.tables.readEvent(device, eventOf(words))
  return device && event && { device, event }
}

const lpisOf = (state: ItsState, collection: number): ItsState['lpis'][number] => {
  const processor = state.tables.readCollection(...state.base(GITS_BASER_TYPE.collections), collection)
  return processor === null ? null : (state.lpis[processor] ?? null)
}

const mapDevice: Handler = (state, { deviceId, one, two }) => {
  if (deviceId >= ID_END) return
  const entry =
    MAPD_DW2.fields.Valid.get(...two) === 0
      ? null
      : { tableAddress: MAPD_DW2.fields.ITT_addr.get(...two), eventBits: MAPD_DW1.fields.Size.get(...one) + 1 }
  if (entry !== null && entry.eventBits > 16) return
  state.tables.writeDevice(...state.base(GITS_BASER_TYPE.devices), deviceId, entry)
}

const mapCollection: Handler = (state, words) => {
  const { Valid, RDbase } = COLLECTION_DW2.fields
  const processor = Valid.get(...words.two) === 0 ? null : RDbase.get(...words.two)
  if (processor !== null && processor >= state.lpis.length) return
  state.tables.writeCollection(...state.base(GITS_BASER_TYPE.collections), collectionOf(words), processor)
}

/** MAPI: the event's number is the interrupt's. */
function mapEvent(state: ItsState, words: Words, intid: number): void {
  const device = state.tables.readDevice(...state.base(GITS_BASER_TYPE.devices), words.deviceId)
  if (device !== null) state.tables.writeEvent(device, eventOf(words), { intid, collection: collectionOf(words) })
}

const HANDLERS: Readonly<Record<number, Handler>> = {
  [ITS_COMMAND_CODE.MAPD]: mapDevice,
  [ITS_COMMAND_CODE.MAPC]: mapCollection,
  [ITS_COMMAND_CODE.MAPTI]: (state, words) => mapEvent(state, words, EVENT_DW1.fields.pINTID.get(...words.one)),
  [ITS_COMMAND_CODE.MAPI]: (state, words) => mapEvent(state, words, eventOf(words)),
  [ITS_COMMAND_CODE.MOVI](state, words) {
    const at = found(state, words)
    if (at === null) return
    const { intid } = at.event
    const from = lpisOf(state, at.event.collection)
    const to = lpisOf(state, collectionOf(words))
    if (to === null) return
    if (from !== to && from?.isPending(intid) === true) {
      from.clear(intid)
      to.raise(intid)
    }
    state.tables.writeEvent(at.device, eventOf(words), { intid, collection: collectionOf(words) })
  },
  [ITS_COMMAND_CODE.DISCARD](state, words) {
    const at = found(state, words)
    if (at === null) return
    lpisOf(state, at.event.collection)?.clear(at.event.intid)
    state.tables.writeEvent(at.device, eventOf(words), null)
  },
  [ITS_COMMAND_CODE.INT](state, words) {
    const at = found(state, words)
    if (at !== null) lpisOf(state, at.event.collection)?.raise(at.event.intid)
  },
  [ITS_COMMAND_CODE.CLEAR](state, words) {
    const at = found(state, words)
    if (at !== null) lpisOf(state, at.event.collection)?.clear(at.event.intid)
  },
  [ITS_COMMAND_CODE.INV](state, words) {
    const at = found(state, words)
    if (at !== null) lpisOf(state, at.event.collection)?.forget(at.event.intid)
  },
  [ITS_COMMAND_CODE.INVALL]: (state, words) => lpisOf(state, collectionOf(words))?.forgetAll(),
}

/**
 * Carries one command out. One that makes no sense is passed over, as the architecture allows, and so is one without an
 * effect here: SYNC, since nothing is ever outstanding, and MOVALL.
 *
 * @param command - the 32 bytes of it
 */
export function runItsCommand(state: ItsState, command: DataView): void {
  const lo = DW0.lo.get(command, 0)
  const hi = DW0.hi.get(command, 0)
  HANDLERS[ITS_DW0.fields.Code.get(lo)]?.(state, {
    deviceId: ITS_DW0.fields.DeviceID.get(lo, hi),
    one: [DW1.lo.get(command, 0), DW1.hi.get(command, 0)],
    two: [DW2.lo.get(command, 0), DW2.hi.get(command, 0)],
  })
}
