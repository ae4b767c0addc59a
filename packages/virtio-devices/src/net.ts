import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { FeatureBits, VirtioDevice } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { eachByte, readConfig } from './config-window.ts'
import { hasFeature, isModern, offer } from './features.ts'
import { NetControl } from './net-control.ts'
import { NetReceive } from './net-receive.ts'
import { createLoopbackPeer, type NetworkPeer } from './network-peer.ts'
import { QueuePump, SERVE_WAIT } from './queue-pump.ts'
import { ReceiveFilter } from './receive-filter.ts'
import {
  VIRTIO_ID_NET,
  VIRTIO_NET_CTRLQ,
  VIRTIO_NET_FEATURES,
  VIRTIO_NET_HDR_LEGACY_BYTES,
  VIRTIO_NET_RECEIVEQ,
  VIRTIO_NET_STATUS,
  virtio_net_config,
  virtio_net_hdr,
} from './spec/net.ts'

export interface NetOptions {
  /** Six bytes; copied. */
  readonly mac: Uint8Array
  /** What is at the other end. Default: a loopback peer that answers as QEMU's user network. */
  readonly peer?: NetworkPeer
  /** Entries of the receive and the transmit queue, powers of two. Default 256 each. */
  readonly receiveQueueSize?: number
  readonly transmitQueueSize?: number
  /** Most frames that wait for buffers; what comes then is dropped. Default 64. */
  readonly backlog?: number
}

export interface NetCounters {
  /** Frames that left the card, and that reached the driver's buffers. */
  readonly transmitted: number
  readonly received: number
  /** Frames lost: no buffer for too long, too large, or refused by the IOMMU. */
  readonly dropped: number
}

export interface NetDevice extends VirtioDevice {
  /** A frame from the peer; copied. False where it was dropped or filtered. */
  deliver(frame: Uint8Array): boolean
  setLink(up: boolean): void
  /** Asks the driver to announce itself, where it negotiated VIRTIO_NET_F_GUEST_ANNOUNCE. */
  announce(): void
  /** Goes on counting. */
  readonly counters: NetCounters
}

const F = VIRTIO_NET_FEATURES.fields
const { VIRTIO_NET_S_LINK_UP, VIRTIO_NET_S_ANNOUNCE } = VIRTIO_NET_STATUS.fields
const { mac: macField, status: statusField } = virtio_net_config.fields
const ADDRESS_BYTES = 6
/** The longest frame that is passed on, and the room that it takes with its header. */
const MAX_FRAME = 65_550
const MAX_PACKET = virtio_net_hdr.size + MAX_FRAME

/** What QEMU's virtio-net offers on a back end without offloads. */
const OFFERED = offer([
  F.VIRTIO_NET_F_GSO,
  F.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  F.VIRTIO_NET_F_MAC,
  F.VIRTIO_NET_F_MRG_RXBUF,
  F.VIRTIO_NET_F_STATUS,
  F.VIRTIO_NET_F_CTRL_VQ,
  F.VIRTIO_NET_F_CTRL_RX,
  F.VIRTIO_NET_F_CTRL_VLAN,
  F.VIRTIO_NET_F_CTRL_RX_EXTRA,
  F.VIRTIO_NET_F_GUEST_ANNOUNCE,
  F.VIRTIO_NET_F_CTRL_MAC_ADDR,
])

/** Gone since virtio 1.0. Without VIRTIO_NET_F_CSUM no driver can make use of it. */
const LEGACY_ONLY = offer([F.VIRTIO_NET_F_GSO])

/**
 * A network card with one pair of queues and a control queue (virtio 1.3 §5.1), without offloads.
 *
 * A frame that the device may not read is lost, and so is one that it may not write; the buffer goes back with a used
 * length of 0. Chains too short for a packet's or command's header put the device into the state that needs a reset.
 *
 * @throws RangeError where `mac` is not six bytes of a unicast address, or a size is no power of two
 */
export function createNet(options: NetOptions): NetDevice {
  const { receiveQueueSize = 256, transmitQueueSize = 256, backlog = 64 } = options
  const ownMac = options.mac.slice()
  if (ownMac.length !== ADDRESS_BYTES || (ownMac[0]! & 1) === 1) {
    throw new RangeError(`mac is ${Array.from(ownMac, (byte) => byte.toString(16)).join(':')}, not a unicast address`)
  }
  for (const size of [receiveQueueSize, transmitQueueSize]) {
    if (!Number.isInteger(Math.log2(size)) || size > 32_768)
      throw new RangeError(`queue size ${size} is no power of two`)
  }
  const peer = options.peer ?? createLoopbackPeer()
  const config = new DataView(new ArrayBuffer(virtio_net_config.size))
  const filter = new ReceiveFilter()
  const counters = { transmitted: 0, received: 0, dropped: 0 }
  const receive = new NetReceive(backlog, MAX_FRAME, counters)
  const packet = new Uint8Array(MAX_PACKET)
  const pump = new QueuePump(serve)
  let headerBytes: number = virtio_net_hdr.size
  let negotiated: FeatureBits = { lo: 0, hi: 0 }
  const control = new NetControl({
    filter,
    setAddress(address) {
      macField.set(config, 0, address)
      filter.setOwnAddress(address)
    },
    announced() {
      const asked = VIRTIO_NET_S_ANNOUNCE.get(statusField.get(config, 0)) === 1
      setStatus(VIRTIO_NET_S_ANNOUNCE, 0)
      return asked
    },
  })
  const setStatus = (bit: typeof VIRTIO_NET_S_LINK_UP, value: 0 | 1): void =>
    statusField.set(config, 0, bit.setLo(statusField.get(config, 0), value))
  const isUp = (): boolean => VIRTIO_NET_S_LINK_UP.get(statusField.get(config, 0)) === 1

  setStatus(VIRTIO_NET_S_LINK_UP, 1)
  restart()

  function restart(): void {
    macField.set(config, 0, ownMac)
    setStatus(VIRTIO_NET_S_ANNOUNCE, 0)
    filter.reset(ownMac)
    receive.reset()
    negotiated = { lo: 0, hi: 0 }
  }

  function serve(index: number, queue: DeviceQueue): number {
    if (index === VIRTIO_NET_CTRLQ) {
      if (!NetControl.isWhole(queue)) return pump.fail('virtio-net: a command has no header, or no byte for its answer')
      return control.serve(queue)
    }
    if (index !== VIRTIO_NET_RECEIVEQ) return transmit(queue)
    if (queue.writableBytes < headerBytes) return pump.fail('virtio-net: a receive buffer is shorter than the header')
    const served = receive.serve(queue, pump.host!.dma)
    if (receive.waiting === 0) pump.sleep(VIRTIO_NET_RECEIVEQ)
    return served
  }

  function transmit(queue: DeviceQueue): number {
    const length = queue.readableBytes
    if (length < headerBytes) return pump.fail('virtio-net: a packet is shorter than its header')
    if (length > packet.length) {
      counters.dropped++
      return 0
    }
    const result = queue.read(0, packet.subarray(0, length))
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result === DMA_OK && isUp()) {
      counters.transmitted++
      peer.receive(packet.subarray(headerBytes, length), deliver)
    } else {
      counters.dropped++
    }
    return 0
  }

  function deliver(frame: Uint8Array): boolean {
    if (pump.host === null || !isUp()) return false
    if (!filter.accepts(frame, hasFeature(negotiated, F.VIRTIO_NET_F_CTRL_VLAN))) return false
    if (!receive.push(frame)) return false
    pump.wake(VIRTIO_NET_RECEIVEQ)
    return true
  }

  function changed(): void {
    if (hasFeature(negotiated, F.VIRTIO_NET_F_STATUS)) pump.host?.configChanged()
  }

  return {
    type: VIRTIO_ID_NET,
    kind: 'virtio-net',
    queueSizes: [receiveQueueSize, transmitQueueSize, 64],
    features: OFFERED,
    legacyFeatures: LEGACY_ONLY,
    config: {
      size: virtio_net_config.size,
      read: (offset, width) => readConfig(config, offset, width),
      write(offset, width, value) {
        // §5.1.4.1: only a legacy driver without VIRTIO_NET_F_CTRL_MAC_ADDR sets the address here.
        if (isModern(negotiated) || hasFeature(negotiated, F.VIRTIO_NET_F_CTRL_MAC_ADDR)) return
        eachByte(offset, width, value, (at, byte) => {
          if (at < ADDRESS_BYTES) config.setUint8(at, byte)
        })
        filter.setOwnAddress(macField.get(config, 0))
      },
    },
    deliver,
    setLink(up) {
      setStatus(VIRTIO_NET_S_LINK_UP, up ? 1 : 0)
      changed()
    },
    announce() {
      if (!hasFeature(negotiated, F.VIRTIO_NET_F_GUEST_ANNOUNCE)) return
      setStatus(VIRTIO_NET_S_ANNOUNCE, 1)
      changed()
    },
    counters,
    activate(queues, features, host) {
      negotiated = features
      const mergeable = hasFeature(features, F.VIRTIO_NET_F_MRG_RXBUF)
      // §5.1.6.1: `num_buffers` is absent only without both.
      headerBytes = mergeable || isModern(features) ? virtio_net_hdr.size : VIRTIO_NET_HDR_LEGACY_BYTES
      if (pump.host === null || pump.queue(VIRTIO_NET_RECEIVEQ) !== queues[VIRTIO_NET_RECEIVEQ]) {
        receive.start(headerBytes, mergeable)
      }
      pump.activate(queues, host)
      if (receive.waiting === 0) pump.sleep(VIRTIO_NET_RECEIVEQ)
    },
    notify(queue) {
      if (queue !== VIRTIO_NET_RECEIVEQ || receive.waiting > 0) pump.wake(queue)
    },
    work: (budget) => pump.work(budget),
    reset() {
      pump.reset()
      restart()
    },
  }
}
