import type { DmaResult } from '@dmascope/memory'
import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { SERVE_WAIT } from './queue-pump.ts'
import { ReceiveFilter } from './receive-filter.ts'
import {
  VIRTIO_NET_CTRL_ANNOUNCE,
  VIRTIO_NET_CTRL_ANNOUNCE_ACK,
  VIRTIO_NET_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MAC_TABLE_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_VLAN,
  VIRTIO_NET_CTRL_VLAN_ADD,
  VIRTIO_NET_CTRL_VLAN_DEL,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
  virtio_net_ctrl,
  virtio_net_ctrl_mac,
  virtio_net_ctrl_vlan,
} from './spec/net.ts'

/** What the control queue's commands change. */
export interface NetControlTarget {
  readonly filter: ReceiveFilter
  /** `address` is good until this returns. */
  setAddress(address: Uint8Array): void
  /** The driver has announced itself. False where it was not asked to. */
  announced(): boolean
}

const HEAD_BYTES = virtio_net_ctrl.size
const ADDRESS_BYTES = 6
const { class: commandClass, command: commandCode } = virtio_net_ctrl.fields
const { entries: tableEntries } = virtio_net_ctrl_mac.fields
const { id: vlanId } = virtio_net_ctrl_vlan.fields

/** The control queue of a network device (virtio 1.3 §5.1.6.5): one command a chain. */
export class NetControl {
  readonly #target: NetControlTarget
  readonly #view = new DataView(new ArrayBuffer(8))
  readonly #bytes = new Uint8Array(this.#view.buffer)
  readonly #unicast = new Uint8Array(ReceiveFilter.tableAddresses * ADDRESS_BYTES)
  readonly #multicast = new Uint8Array(ReceiveFilter.tableAddresses * ADDRESS_BYTES)
  /** How the last read of the command's data ended. */
  #result: DmaResult = DMA_OK

  constructor(target: NetControlTarget) {
    this.#target = target
  }

  /** The chain has room for head and acknowledgement: else it cannot be answered at all. */
  static isWhole(queue: DeviceQueue): boolean {
    return queue.readableBytes >= HEAD_BYTES && queue.writableBytes >= 1
  }

  /** As a `Serve` of a queue pump. The chain is whole. */
  serve(queue: DeviceQueue): number {
    const ok = this.#read(queue, 0, HEAD_BYTES) && this.#run(queue)
    if (this.#waits) return SERVE_WAIT
    this.#bytes[0] = ok ? VIRTIO_NET_OK : VIRTIO_NET_ERR
    const result = queue.write(0, this.#bytes.subarray(0, 1))
    if (result === DMA_PENDING) return SERVE_WAIT
    return result === DMA_OK ? 1 : 0
  }

  get #waits(): boolean {
    return this.#result === DMA_PENDING
  }

  #run(queue: DeviceQueue): boolean {
    const code = commandCode.get(this.#view, 0)
    const length = queue.readableBytes - HEAD_BYTES
    const { filter } = this.#target
    switch (commandClass.get(this.#view, 0)) {
      case VIRTIO_NET_CTRL_RX:
        return length >= 1 && this.#read(queue, HEAD_BYTES, 1) && filter.setMode(code, this.#bytes[0] !== 0)
      case VIRTIO_NET_CTRL_MAC:
        if (code === VIRTIO_NET_CTRL_MAC_TABLE_SET) return this.#setTables(queue)
        if (code !== VIRTIO_NET_CTRL_MAC_ADDR_SET || length !== ADDRESS_BYTES) return false
        if (!this.#read(queue, HEAD_BYTES, ADDRESS_BYTES)) return false
        this.#target.setAddress(this.#bytes.subarray(0, ADDRESS_BYTES))
        return true
      case VIRTIO_NET_CTRL_VLAN:
        if (code !== VIRTIO_NET_CTRL_VLAN_ADD && code !== VIRTIO_NET_CTRL_VLAN_DEL) return false
        if (length < virtio_net_ctrl_vlan.size || !this.#read(queue, HEAD_BYTES, virtio_net_ctrl_vlan.size))
          return false
        return filter.setVlan(vlanId.get(this.#view, 0), code === VIRTIO_NET_CTRL_VLAN_ADD)
      case VIRTIO_NET_CTRL_ANNOUNCE:
        return code === VIRTIO_NET_CTRL_ANNOUNCE_ACK && this.#target.announced()
      case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
        if (code !== VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || length < 8 || !this.#read(queue, HEAD_BYTES, 8)) return false
        // The device offers no receive offload, so no set but the empty one can be switched on.
        return this.#bytes.every((byte) => byte === 0)
      default:
        return false
    }
  }

  /** Two tables, each a count and that many addresses. Both are read before either takes effect. */
  #setTables(queue: DeviceQueue): boolean {
    const unicast = this.#readTable(queue, HEAD_BYTES, this.#unicast)
    if (unicast < 0) return false
    const second = HEAD_BYTES + virtio_net_ctrl_mac.size + unicast * ADDRESS_BYTES
    const multicast = this.#readTable(queue, second, this.#multicast)
    if (multicast < 0) return false
    const most = ReceiveFilter.tableAddresses
    this.#target.filter.setTables(
      this.#unicast.subarray(0, Math.min(unicast, most) * ADDRESS_BYTES),
      unicast,
      this.#multicast.subarray(0, Math.min(multicast, most) * ADDRESS_BYTES),
      multicast,
    )
    return true
  }

  /** The number of addresses that the table at `offset` names, the first of them copied; -1 where it is not whole. */
  #readTable(queue: DeviceQueue, offset: number, into: Uint8Array): number {
    const start = offset + virtio_net_ctrl_mac.size
    if (queue.readableBytes < start || !this.#read(queue, offset, virtio_net_ctrl_mac.size)) return -1
    const count = tableEntries.get(this.#view, 0)
    if (count * ADDRESS_BYTES > queue.readableBytes - start) return -1
    this.#result = queue.read(start, into.subarray(0, Math.min(count, ReceiveFilter.tableAddresses) * ADDRESS_BYTES))
    return this.#result === DMA_OK ? count : -1
  }

  #read(queue: DeviceQueue, offset: number, length: number): boolean {
    this.#result = queue.read(offset, this.#bytes.subarray(0, length))
    return this.#result === DMA_OK
  }
}
