import {
  VIRTIO_ID_NET,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_TABLE_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_RX_ALLMULTI,
  VIRTIO_NET_CTRL_RX_PROMISC,
  VIRTIO_NET_FEATURES,
  VIRTIO_NET_HDR_LEGACY_BYTES,
  VIRTIO_NET_OK,
  virtio_net_config,
  virtio_net_ctrl,
  virtio_net_ctrl_mac,
  virtio_net_hdr,
} from '@dmascope/virtio-devices/spec'
import { hasFeature, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_VERSION_1 } from '@dmascope/virtio-pci/spec'
import { ANYWHERE } from '../early/page-allocator.ts'
import { awaitRequests } from '../virtio/await-requests.ts'
import { findQueues, type WantedQueue } from '../virtio/find-queues.ts'
import { ready } from '../virtio/negotiate.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { VirtioDriver } from '../virtio/virtio-driver.ts'
import type { Request, Segment, Virtqueue } from '../virtio/virtqueue.ts'
import { type BoundDriver, failed, hung, type IoOutcome, notAttempted, passed, wrong } from './driver.ts'
import { arpRequest, checkEchoReply, echoRequest, readArpReply } from './ping.ts'
import { fillPattern, POISON_SEED, sameBytes } from './test-pattern.ts'

const F = VIRTIO_NET_FEATURES.fields
const MAC = F.VIRTIO_NET_F_MAC.low
const MRG_RXBUF = F.VIRTIO_NET_F_MRG_RXBUF.low
const CTRL_VQ = F.VIRTIO_NET_F_CTRL_VQ.low
const CTRL_RX = F.VIRTIO_NET_F_CTRL_RX.low
const STATUS = F.VIRTIO_NET_F_STATUS.low
/** Offloads that let a packet of up to 64 KiB arrive. */
const BIG_PACKETS = [
  F.VIRTIO_NET_F_GUEST_TSO4.low,
  F.VIRTIO_NET_F_GUEST_TSO6.low,
  F.VIRTIO_NET_F_GUEST_ECN.low,
  F.VIRTIO_NET_F_GUEST_UFO.low,
]
/** Bits above the ones that the specification layout here names (virtio 1.3 §5.1.3). */
const MODERN_BITS = { NOTF_COAL: 53, GUEST_USO4: 54, GUEST_USO6: 55, HOST_USO: 56, SPEED_DUPLEX: 63 } as const
/** `max_virtqueue_pairs` follows what the specification layout here names. */
const MAX_VIRTQUEUE_PAIRS_OFFSET = virtio_net_config.size
const MAX_PAIRS = 128
const PAGE = 4096
const RX_BUFFERS = 16
const FRAME_BYTES = 1526
const BIG_BYTES = 17 * PAGE
/** Where a packet starts that may not share a buffer with its header. */
const PACKET_OFFSET = 64

/** Bits of what goes through the control queue: Linux's `virtnet_validate_features`. */
const NEED_CONTROL_QUEUE = [
  F.VIRTIO_NET_F_CTRL_RX,
  F.VIRTIO_NET_F_CTRL_VLAN,
  F.VIRTIO_NET_F_GUEST_ANNOUNCE,
  F.VIRTIO_NET_F_MQ,
  F.VIRTIO_NET_F_CTRL_MAC_ADDR,
]

const COMMON: readonly number[] = [
  F.VIRTIO_NET_F_CSUM.low,
  F.VIRTIO_NET_F_GUEST_CSUM.low,
  MAC,
  F.VIRTIO_NET_F_HOST_TSO4.low,
  F.VIRTIO_NET_F_HOST_UFO.low,
  F.VIRTIO_NET_F_HOST_TSO6.low,
  F.VIRTIO_NET_F_HOST_ECN.low,
  ...BIG_PACKETS,
  MRG_RXBUF,
  STATUS,
  CTRL_VQ,
  CTRL_RX,
  F.VIRTIO_NET_F_CTRL_VLAN.low,
  F.VIRTIO_NET_F_GUEST_ANNOUNCE.low,
  F.VIRTIO_NET_F_MQ.low,
  F.VIRTIO_NET_F_CTRL_MAC_ADDR.low,
  F.VIRTIO_NET_F_MTU.low,
  F.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS.low,
  ...Object.values(MODERN_BITS),
]

/**
 * DEVIATION: Linux also accepts STANDBY (62), RSS (60), HASH_REPORT (57) and VQ_NOTF_COAL (52), which need a second
 * device, or lengthen the header; this driver has no use for them.
 */
export const VIRTIO_NET: VirtioDriver = {
  name: 'virtio_net',
  type: VIRTIO_ID_NET,
  features: COMMON,
  legacyFeatures: [...COMMON, F.VIRTIO_NET_F_GSO.low, VIRTIO_F_ANY_LAYOUT],
  objectsTo: (features) => {
    if (hasFeature(features, CTRL_VQ)) return null
    const orphan = NEED_CONTROL_QUEUE.find((field) => hasFeature(features, field.low))
    return orphan === undefined
      ? null
      : `device advertises feature ${orphan.name} but not VIRTIO_NET_F_CTRL_VQ (-EINVAL)`
  },
  probe,
}

/** A network card after probing. */
interface Card {
  readonly device: VirtioDevice
  readonly rx: Virtqueue
  readonly tx: Virtqueue
  readonly control: Virtqueue | null
  readonly mac: Uint8Array
  readonly headerBytes: number
  /** Header and packet may share a buffer. */
  readonly anyLayout: boolean
  /** Bytes of one receive buffer, header included. */
  readonly rxBytes: number
  readonly rxMemory: number
  readonly txPage: number
  readonly controlPage: number
  readonly received: Uint8Array[]
}

function probe(device: VirtioDevice): BoundDriver | string {
  const { transport, kernel } = device
  // All pairs are set up, though one CPU uses the first alone: the control queue comes after them (virtio 1.3 §5.1.2).
  const multi = device.has(F.VIRTIO_NET_F_MQ.low) && device.has(CTRL_VQ)
  const pairs = multi ? transport.readConfig(MAX_VIRTQUEUE_PAIRS_OFFSET, 2) : 1
  if (pairs < 1 || pairs > MAX_PAIRS) return `max_virtqueue_pairs is ${pairs}, this kernel takes 1 to ${MAX_PAIRS}`
  const wanted: WantedQueue[] = []
  for (let pair = 0; pair < pairs; pair++) {
    wanted.push({ name: `input.${pair}`, interrupts: true }, { name: `output.${pair}`, interrupts: true })
  }
  if (device.has(CTRL_VQ)) wanted.push({ name: 'control', interrupts: false })
  const queues = findQueues(device, wanted)
  if (typeof queues === 'string') return queues
  const mac = Uint8Array.of(0x02, 0, 0, 0, 0, 1)
  if (device.has(MAC)) {
    const { offset } = virtio_net_config.fields.mac
    for (let index = 0; index < 6; index++) mac[index] = transport.readConfig(offset + index, 1)
  }
  const modern = device.has(VIRTIO_F_VERSION_1)
  const mergeable = device.has(MRG_RXBUF)
  const big = !mergeable && BIG_PACKETS.some((one) => device.has(one))
  const rxBytes = mergeable ? PAGE / 2 : big ? BIG_BYTES : PAGE / 2
  const rxMemory = kernel.pages.allocate(Math.ceil((rxBytes * RX_BUFFERS) / PAGE), ANYWHERE)
  const pages = kernel.pages.allocate(2, ANYWHERE)
  if (rxMemory === null || pages === null) return 'no memory for buffers'
  ready(device)
  const card: Card = {
    device,
    rx: queues[0]!,
    tx: queues[1]!,
    control: queues[pairs * 2] ?? null,
    mac,
    headerBytes: modern || mergeable ? virtio_net_hdr.size : VIRTIO_NET_HDR_LEGACY_BYTES,
    anyLayout: modern || device.has(VIRTIO_F_ANY_LAYOUT),
    rxBytes,
    rxMemory,
    txPage: pages,
    controlPage: pages + PAGE,
    received: [],
  }
  card.rx.listener = { requestDone: (request) => receive(card, request) }
  return { ioKind: 'net', selfTest: () => selfTest(card) }
}

const rxSegments = (card: Card, cpu: number): readonly Segment[] => {
  const purpose = 'net receive buffer'
  if (card.anyLayout) return [{ cpu, length: card.rxBytes, direction: 'from-device', purpose }]
  return [
    { cpu, length: card.headerBytes, direction: 'from-device', purpose: 'net receive header' },
    { cpu: cpu + PACKET_OFFSET, length: card.rxBytes - PACKET_OFFSET, direction: 'from-device', purpose },
  ]
}

/** Opens the interface, finds the gateway and has it echo a packet. */
function selfTest(card: Card): IoOutcome {
  const { device } = card
  const { bus } = device.kernel
  if (device.has(STATUS)) {
    const { offset } = virtio_net_config.fields.status
    if ((device.transport.readConfig(offset, 2) & 1) === 0) return notAttempted('the link is down')
  }
  for (let index = 0; index < RX_BUFFERS; index++) {
    const cpu = card.rxMemory + index * card.rxBytes
    bus.writeBytes(cpu, fillPattern(new Uint8Array(Math.min(card.rxBytes, FRAME_BYTES)), POISON_SEED))
    const made = card.rx.add(rxSegments(card, cpu))
    if (typeof made === 'string' && index === 0) return failed(made)
    if (typeof made === 'string') break
  }
  card.rx.kick()
  const refused = setReceiveMode(card)
  if (refused !== null) return refused

  const arp = exchange(card, arpRequest(card.mac), 'ARP', readArpReply)
  if ('outcome' in arp) return arp.outcome
  const echo = exchange(card, echoRequest(card.mac, arp.answer), 'ICMP echo', checkEchoReply)
  if ('outcome' in echo) return echo.outcome
  if (echo.answer !== '') return wrong(`echo reply: ${echo.answer}`)
  return passed('10.0.2.2 answered ARP and an ICMP echo of 56 bytes')
}

type Exchange<Answer> = { readonly outcome: IoOutcome } | { readonly answer: Answer }

/** Sends a frame and waits for one that `read` takes for its answer. */
function exchange<Answer>(
  card: Card,
  frame: Uint8Array,
  what: string,
  read: (frame: Uint8Array) => Answer | null,
): Exchange<Answer> {
  const { device, tx } = card
  const { bus } = device.kernel
  bus.writeBytes(card.txPage, new Uint8Array(card.headerBytes))
  const at = card.txPage + packetOffset(card)
  bus.writeBytes(at, frame)
  const direction = 'to-device'
  const sent = tx.add(
    card.anyLayout
      ? [{ cpu: card.txPage, length: card.headerBytes + frame.length, direction, purpose: 'net transmit packet' }]
      : [
          { cpu: card.txPage, length: card.headerBytes, direction, purpose: 'net transmit header' },
          { cpu: at, length: frame.length, direction, purpose: 'net transmit packet' },
        ],
  )
  if (typeof sent === 'string') return { outcome: failed(`${what}: ${sent}`) }
  tx.kick()
  const stuck = awaitRequests(device, tx, [sent])
  if (stuck !== null) return { outcome: { ...stuck, detail: `${what}, sending: ${stuck.detail}` } }
  let answer: Answer | null = null
  let untouched = false
  const answered = (): boolean => {
    for (let next = card.received.shift(); next !== undefined && answer === null; next = card.received.shift()) {
      answer = read(next)
      if (answer === null && sameBytes(next, poisonBehind(packetOffset(card), next.length))) untouched = true
    }
    return answer !== null || card.rx.ring.broken !== null
  }
  device.kernel.vectors.wait(answered)
  if (answer !== null) return { answer }
  if (untouched) return { outcome: wrong(`${what}: a receive buffer came back, but nothing was written to it`) }
  const status = device.noteStatus().toString(16).padStart(2, '0')
  const lost = card.rx.ring.enableInterrupts() ? 'it came, but no interrupt told' : 'the machine is idle'
  const why = card.rx.ring.broken ?? lost
  return { outcome: hung(1, `${what}: sent, but no answer was received: ${why}; device status 0x${status}`) }
}

/** What a receive buffer holds from `offset` on when nothing was written to it. */
const poisonBehind = (offset: number, length: number): Uint8Array =>
  fillPattern(new Uint8Array(offset + length), POISON_SEED).subarray(offset)

/** Where in a buffer the packet starts. */
const packetOffset = (card: Card): number => (card.anyLayout ? card.headerBytes : PACKET_OFFSET)

/** Copies a packet out of its buffer, and gives the buffer back to the device. */
function receive(card: Card, request: Request): void {
  const { bus } = card.device.kernel
  const first = request.segments[0]!
  const length = Math.min(request.written - card.headerBytes, FRAME_BYTES - card.headerBytes)
  if (length > 0 && card.received.length < RX_BUFFERS) {
    const frame = new Uint8Array(length)
    bus.readBytes(first.cpu + packetOffset(card), frame)
    card.received.push(frame)
  }
  if (typeof card.rx.add(rxSegments(card, first.cpu)) !== 'string') card.rx.kick()
}

/** What opening an interface tells the device: no promiscuity, and a filter with no addresses of its own. */
function setReceiveMode(card: Card): IoOutcome | null {
  if (card.control === null || !card.device.has(CTRL_RX)) return null
  const off = Uint8Array.of(0)
  const emptyTables = new Uint8Array(2 * virtio_net_ctrl_mac.size)
  return (
    command(card, card.control, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, off) ??
    command(card, card.control, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, off) ??
    command(card, card.control, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, emptyTables)
  )
}

/** Linux spins on the control queue: it has no interrupt, and the driver looks into its ring until the answer is there. */
function command(card: Card, queue: Virtqueue, type: number, number: number, data: Uint8Array): IoOutcome | null {
  const { device, controlPage: page } = card
  const { bus, vectors } = device.kernel
  const dataAt = page + 16
  const ackAt = page + 8
  bus.writeBytes(page, Uint8Array.of(type, number))
  bus.writeBytes(dataAt, data)
  bus.write8(ackAt, 0xff)
  const request = queue.add([
    { cpu: page, length: virtio_net_ctrl.size, direction: 'to-device', purpose: 'net control command' },
    { cpu: dataAt, length: data.length, direction: 'to-device', purpose: 'net control data' },
    { cpu: ackAt, length: 1, direction: 'from-device', purpose: 'net control answer' },
  ])
  if (typeof request === 'string') return failed(`control command: ${request}`)
  queue.ring.disableInterrupts()
  queue.kick()
  vectors.wait(() => {
    queue.collect()
    return request.done || queue.ring.broken !== null
  })
  if (!request.done) {
    const status = device.noteStatus().toString(16).padStart(2, '0')
    return hung(1, `control command ${type}/${number} was never answered; device status 0x${status}`)
  }
  const ack = bus.read8(ackAt)
  if (ack === 0xff) return wrong(`control command ${type}/${number} completed, but its answer was not written`)
  // A device that declines a receive mode goes on without it.
  if (ack !== VIRTIO_NET_OK) device.log(`control command ${type}/${number} declined`)
  return null
}
