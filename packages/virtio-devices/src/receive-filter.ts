/** Hardware addresses that the filter's tables hold, of both kinds together; more of a kind means all of that kind. */
const TABLE_ADDRESSES = 64
const ADDRESS_BYTES = 6
const VLANS = 4096
/** IEEE 802.1Q. */
const ETHERTYPE_VLAN = 0x8100

/** Switches of VIRTIO_NET_CTRL_RX, named for its commands in their order: the command is the index. */
const MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const

/**
 * Which frames a network card lets in (virtio 1.3 §5.1.6.5). Filtering is best effort there: a device may let in more
 * than was asked for. After reset everything is let in.
 */
export class ReceiveFilter {
  readonly #mode: Record<(typeof MODES)[number], boolean> = {
    promiscuous: true,
    allMulticast: false,
    allUnicast: false,
    noMulticast: false,
    noUnicast: false,
    noBroadcast: false,
  }
  readonly #own = new Uint8Array(ADDRESS_BYTES)
  #unicast = new Uint8Array(0)
  #multicast = new Uint8Array(0)
  #unicastOverflow = false
  #multicastOverflow = false
  readonly #vlans = new Uint8Array(VLANS / 8)

  reset(own: Uint8Array): void {
    for (const mode of MODES) this.#mode[mode] = mode === 'promiscuous'
    this.#own.set(own)
    this.setTables(new Uint8Array(0), 0, new Uint8Array(0), 0)
    this.#vlans.fill(0)
  }

  /** The card's own hardware address; copied. */
  setOwnAddress(address: Uint8Array): void {
    this.#own.set(address)
  }

  /** A command of VIRTIO_NET_CTRL_RX. False where there is no such command. */
  setMode(command: number, on: boolean): boolean {
    const mode = MODES[command]
    if (mode === undefined) return false
    this.#mode[mode] = on
    return true
  }

  /** Addresses, 6 bytes each, copied; with how many the driver named, which may be more. */
  setTables(unicast: Uint8Array, unicastCount: number, multicast: Uint8Array, multicastCount: number): void {
    this.#unicastOverflow = unicastCount > TABLE_ADDRESSES
    const room = this.#unicastOverflow ? TABLE_ADDRESSES : TABLE_ADDRESSES - unicastCount
    this.#multicastOverflow = multicastCount > room
    this.#unicast = this.#unicastOverflow ? new Uint8Array(0) : unicast.slice()
    this.#multicast = this.#multicastOverflow ? new Uint8Array(0) : multicast.slice()
  }

  /** Most addresses of one kind that are looked at. */
  static readonly tableAddresses = TABLE_ADDRESSES

  /** False where there is no such VLAN. */
  setVlan(id: number, on: boolean): boolean {
    if (id >= VLANS) return false
    const bit = 1 << (id & 7)
    this.#vlans[id >>> 3] = on ? this.#vlans[id >>> 3]! | bit : this.#vlans[id >>> 3]! & ~bit
    return true
  }

  /** @param filterVlans - whether the driver negotiated VIRTIO_NET_F_CTRL_VLAN */
  accepts(frame: Uint8Array, filterVlans: boolean): boolean {
    if (this.#mode.promiscuous) return true
    if (filterVlans && frame.length >= 16 && ((frame[12]! << 8) | frame[13]!) === ETHERTYPE_VLAN) {
      const id = ((frame[14]! << 8) | frame[15]!) & (VLANS - 1)
      if (((this.#vlans[id >>> 3]! >>> (id & 7)) & 1) === 0) return false
    }
    if ((frame[0]! & 1) === 1) {
      if (frame.subarray(0, ADDRESS_BYTES).every((byte) => byte === 0xff)) return !this.#mode.noBroadcast
      if (this.#mode.noMulticast) return false
      return this.#mode.allMulticast || this.#multicastOverflow || contains(this.#multicast, frame)
    }
    if (this.#mode.noUnicast) return false
    return (
      this.#mode.allUnicast || this.#unicastOverflow || contains(this.#own, frame) || contains(this.#unicast, frame)
    )
  }
}

/** Whether the frame's destination stands in a table of addresses. */
function contains(table: Uint8Array, frame: Uint8Array): boolean {
  for (let at = 0; at < table.length; at += ADDRESS_BYTES) {
    let same = true
    for (let index = 0; index < ADDRESS_BYTES && same; index++) same = table[at + index] === frame[index]
    if (same) return true
  }
  return false
}
