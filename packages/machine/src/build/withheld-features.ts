import { VIRTIO_BLK_FEATURES, VIRTIO_NET_FEATURES } from '@dmascope/virtio-devices/spec'
import { type FeatureBits, featureBits } from '@dmascope/virtio-pci/spec'
import type { PlacedDevice } from './placed-bus.ts'

const BLOCK = VIRTIO_BLK_FEATURES.fields
const NET = VIRTIO_NET_FEATURES.fields

/** Properties that switch features of a device type off, by kind of model. */
const SWITCHES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'virtio-blk': {
    'config-wce': BLOCK.VIRTIO_BLK_F_CONFIG_WCE.low,
    discard: BLOCK.VIRTIO_BLK_F_DISCARD.low,
    'write-zeroes': BLOCK.VIRTIO_BLK_F_WRITE_ZEROES.low,
  },
  'virtio-net': {
    ctrl_guest_offloads: NET.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS.low,
    gso: NET.VIRTIO_NET_F_GSO.low,
    mrg_rxbuf: NET.VIRTIO_NET_F_MRG_RXBUF.low,
    status: NET.VIRTIO_NET_F_STATUS.low,
    ctrl_vq: NET.VIRTIO_NET_F_CTRL_VQ.low,
    ctrl_rx: NET.VIRTIO_NET_F_CTRL_RX.low,
    ctrl_vlan: NET.VIRTIO_NET_F_CTRL_VLAN.low,
    ctrl_rx_extra: NET.VIRTIO_NET_F_CTRL_RX_EXTRA.low,
    guest_announce: NET.VIRTIO_NET_F_GUEST_ANNOUNCE.low,
    ctrl_mac_addr: NET.VIRTIO_NET_F_CTRL_MAC_ADDR.low,
  },
}

/** Features of its type that a device would offer, and that the command line switches off. */
export function withheldFeatures({ model, properties }: Pick<PlacedDevice, 'model' | 'properties'>): FeatureBits {
  const off = Object.entries(SWITCHES[model.kind] ?? {}).filter(([name]) => properties[name] === false)
  return featureBits(...off.map(([, bit]) => bit))
}
