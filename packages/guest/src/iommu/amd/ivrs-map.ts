import {
  IVHD_DTE_SETTING,
  IVMD_FLAGS,
  type Ivhd,
  type IvhdEntry,
  type Ivmd,
  type Ivrs,
  isIvhd,
  isIvmd,
} from '@dmascope/acpi'

/** The IVRS that discovery found. */
export interface IvrsSource {
  readonly ivrs: Ivrs
  /** Guest-physical address of its first byte. */
  readonly address: number
  readonly checksumRight: boolean
  /** Its bytes, for reasons that cite them. */
  readonly bytes?: Uint8Array
}

/** Why a requester ID is behind a unit. */
export interface IvrsClaim {
  readonly block: Ivhd
  readonly entry: IvhdEntry
  /** What the entry names: the ID alone, or an alias's target; the ends of a range. */
  readonly first: number
  readonly last: number
  /** The ID that requests bear; null where it is the device's own. */
  readonly alias: number | null
}

/** Memory that a range of devices is to find at its own address. */
export interface UnityMap {
  readonly firstDevice: number
  readonly lastDevice: number
  readonly start: number
  readonly end: number
  readonly access: 1 | 2 | 3
}

/** What the table says of one PCI segment. */
export class IvrsSegment {
  readonly id: number
  /** The highest requester ID that the table names. */
  readonly lastId: number
  /** In the order of the table: of several that name an ID, the last one has it. */
  readonly #claims: IvrsClaim[] = []
  /** DTE bits that an entry asks for, by requester ID; 0 for most. */
  readonly settings: Uint8Array
  readonly unityMaps: UnityMap[] = []
  /** The claims that name another ID. Such a name stays, whoever claims the ID after. */
  readonly #aliases: IvrsClaim[] = []

  constructor(id: number, lastId: number) {
    this.id = id
    this.lastId = lastId
    this.settings = new Uint8Array(lastId + 1)
  }

  claimOf(requester: number): IvrsClaim | null {
    return requester > this.lastId ? null : lastNaming(this.#claims, requester)
  }

  /** The ID under which a requester's transactions arrive, says the table. */
  aliasOf(requester: number): number {
    return (requester > this.lastId ? null : lastNaming(this.#aliases, requester)?.alias) ?? requester
  }

  /** Puts IDs behind a unit: the last entry that names an ID has it. */
  claim(claim: IvrsClaim): void {
    const { block, entry, first, last, alias } = claim
    const setting = 'dteSetting' in entry ? entry.dteSetting : 0
    this.#claims.push(claim)
    if (setting !== 0) this.settings.fill(setting, first, last + 1)
    if (alias === null) return
    this.#aliases.push(claim)
    if (alias > this.lastId) return
    // What the requests are named after is behind the unit too.
    if (this.claimOf(alias) === null) this.#claims.push({ block, entry, first: alias, last: alias, alias: null })
    if (setting !== 0) this.settings[alias] = setting
  }
}

function lastNaming(claims: readonly IvrsClaim[], id: number): IvrsClaim | null {
  for (let index = claims.length - 1; index >= 0; index--) {
    const claim = claims[index]!
    if (claim.first <= id && id <= claim.last) return claim
  }
  return null
}

/** What the kernel made of the table. */
export interface IvrsMap {
  /** Units, in the order of their blocks. */
  readonly blocks: readonly Ivhd[]
  readonly segments: ReadonlyMap<number, IvrsSegment>
  /** Requester IDs of I/O APICs, by APIC ID. */
  readonly ioApics: ReadonlyMap<number, number>
}

const HIGHEST_TYPE = 0x40
const VARIETY_IOAPIC = 1
const VARIETY_HPET = 2
const PAGE = 4096
/** Above this no Number counts bytes exactly. */
const LIMIT = 2 ** 52

/** `10` of `IVHD-10h`; what the table package does not know has its number. */
const typeOf = (block: Ivrs['blocks'][number]): number => {
  const known = /^IV[HM]D-([0-9a-f]+)h$/.exec(block.kind)
  return known !== null ? Number.parseInt(known[1]!, 16) : 'type' in block ? Number(block.type) : 0xff
}

/**
 * Judges an IVRS as Linux does (`early_amd_iommu_init`): one type of IVHD is used throughout, the last one that the
 * first unit has and the kernel knows.
 *
 * @returns the reason for which the kernel leaves the whole table alone
 */
export function readIvrs({ ivrs, checksumRight }: IvrsSource, log: (line: string) => void): IvrsMap | string {
  if (!checksumRight) return broken(log, 'the checksum of the IVRS is wrong')
  const type = chooseType(ivrs)
  const blocks = ivrs.blocks.filter(isIvhd).filter((block) => typeOf(block) === type)
  if (blocks.length === 0) return broken(log, 'no IVHD in the table')
  const segments = new Map<number, IvrsSegment>()
  const ioApics = new Map<number, number>()
  for (const block of blocks) {
    const { pciSegmentGroup } = block
    if (!segments.has(pciSegmentGroup)) {
      const lastId = highestId(blocks.filter((one) => one.pciSegmentGroup === pciSegmentGroup))
      if (lastId === null) return broken(log, `a block of segment ${pciSegmentGroup} names no device`)
      segments.set(pciSegmentGroup, new IvrsSegment(pciSegmentGroup, lastId))
    }
    readEntries(block, segments.get(pciSegmentGroup)!, ioApics, log)
  }
  for (const block of ivrs.blocks.filter(isIvmd)) readMemory(block, segments)
  log(`AMD-Vi: IVRS with ${blocks.length} unit${blocks.length === 1 ? '' : 's'}, IVHD type 0x${type.toString(16)}`)
  return { blocks, segments, ioApics }
}

function broken(log: (line: string) => void, reason: string): string {
  log(`AMD-Vi: firmware bug: ${reason}`)
  return reason
}

function chooseType({ blocks }: Ivrs): number {
  const first = blocks[0]
  if (first === undefined) return 0
  let type = typeOf(first)
  for (const block of blocks) {
    if (typeOf(block) > HIGHEST_TYPE) break
    if ('deviceId' in block && 'deviceId' in first && block.deviceId === first.deviceId) type = typeOf(block)
  }
  return type
}

/** The highest ID that entries name; the starts of ranges and special devices do not count. Null where a block has none. */
function highestId(blocks: readonly Ivhd[]): number | null {
  let highest = 0
  for (const { entries } of blocks) {
    let own = -1
    for (const entry of entries) {
      if (entry.kind === 'all') own = 0xffff
      else if (['select', 'range-end', 'alias-select', 'extended-select'].includes(entry.kind) && 'deviceId' in entry) {
        own = Math.max(own, entry.deviceId)
      }
    }
    if (own < 0) return null
    highest = Math.max(highest, own)
  }
  return highest
}

type RangeStart = Extract<IvhdEntry, { deviceId: number }>

function readEntries(
  block: Ivhd,
  segment: IvrsSegment,
  ioApics: Map<number, number>,
  log: (line: string) => void,
): void {
  let start: RangeStart | null = null
  for (const entry of block.entries) {
    switch (entry.kind) {
      case 'all':
        segment.claim({ block, entry, first: 0, last: segment.lastId, alias: null })
        break
      case 'select':
      case 'extended-select':
      case 'acpi-hid': {
        if (entry.kind === 'acpi-hid' && block.kind !== 'IVHD-40h') {
          log(`AMD-Vi: firmware bug: an ACPI device in a block of type ${block.kind.slice(5)}`)
          break
        }
        segment.claim({ block, entry, first: entry.deviceId, last: entry.deviceId, alias: null })
        break
      }
      case 'alias-select':
        segment.claim({ block, entry, first: entry.deviceId, last: entry.deviceId, alias: entry.sourceDeviceId })
        break
      case 'range-start':
      case 'extended-range-start':
      case 'alias-range-start':
        start = entry
        break
      case 'range-end':
        segment.claim({
          block,
          entry: start ?? entry,
          first: start?.deviceId ?? 0,
          last: entry.deviceId,
          alias:
            start !== null && start.kind === 'alias-range-start'
              ? (start as IvhdEntry & { sourceDeviceId: number }).sourceDeviceId
              : null,
        })
        break
      case 'special': {
        const id = entry.sourceDeviceId
        if (entry.variety === VARIETY_IOAPIC) ioApics.set(entry.handle, id)
        else if (entry.variety !== VARIETY_HPET) {
          log(`AMD-Vi: a special device of variety ${entry.variety}: its block is not read on`)
          return
        }
        segment.claim({ block, entry, first: id, last: id, alias: null })
        break
      }
    }
  }
}

/** Unity maps; exclusion ranges are made unity maps too, since there is but one register for them. */
function readMemory(block: Ivmd, segments: ReadonlyMap<number, IvrsSegment>): void {
  const segment = segments.get(block.pciSegmentGroup)
  const { Unity, IR, IW, ExclRange } = IVMD_FLAGS.fields
  const excluded = ExclRange.get(block.flags) === 1
  if (segment === undefined || (Unity.get(block.flags) === 0 && !excluded)) return
  const up = (address: number): number => Math.ceil(address / PAGE) * PAGE
  const start = up(Number(block.startAddress))
  const end = start + up(Number(block.memoryBlockLength))
  const access = excluded ? 3 : (IR.get(block.flags) | (IW.get(block.flags) << 1)) & 3
  if (start >= end || end > LIMIT || access === 0) return
  const [firstDevice, lastDevice] =
    block.kind === 'IVMD-20h'
      ? [0, segment.lastId]
      : [block.deviceId, block.kind === 'IVMD-21h' ? block.deviceId : block.auxiliaryData]
  segment.unityMaps.push({ firstDevice, lastDevice, start, end, access: access as 1 | 2 | 3 })
}

/** `00:03.0`. */
const shortId = (id: number): string => {
  const hex = (value: number): string => value.toString(16).padStart(2, '0')
  return `${hex(id >>> 8)}:${hex((id >>> 3) & 31)}.${id & 7}`
}

/** `select 00:03.0`, `range 01:00.0 to 01:1f.7`, `01:00.0 to 01:1f.7 as 01:00.0`, `all devices`. */
export function claimText({ entry, first, last, alias }: IvrsClaim): string {
  if (entry.kind === 'all') return 'all devices'
  const range = first === last ? shortId(first) : `${shortId(first)} to ${shortId(last)}`
  if (alias !== null) return `alias ${range} as ${shortId(alias)}`
  return `${first === last ? 'select' : 'range'} ${range}`
}

/** Bits of a DTE that an entry's setting asks for. */
export const settingOf = (setting: number, name: keyof typeof IVHD_DTE_SETTING.fields): number =>
  IVHD_DTE_SETTING.fields[name].get(setting)
