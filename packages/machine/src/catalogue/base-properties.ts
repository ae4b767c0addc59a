import {
  all,
  bearing,
  differs,
  int32,
  mac,
  off,
  on,
  oneOf,
  only,
  onOffAuto,
  type PropertyList,
  pciAddress,
  size,
  text,
  uint16,
  uint32,
} from './property-specs.ts'

/** What every PCI device takes (QEMU's `pci-device`). `id`, `bus` and `addr` stand apart in a device description. */
export const PCI_PROPERTIES: PropertyList = {
  addr: bearing(pciAddress),
  multifunction: bearing(off),
  romfile: bearing(text),
  romsize: bearing(uint32(null)),
  rombar: bearing(differs(uint32(1), 1, 0xffff_ffff)),
  'acpi-index': uint32(0),
  failover_pair_id: text,
  'x-pcie-lnksta-dllla': on,
  'x-pcie-extcap-init': only('7.2', bearing(on)),
  'x-pcie-err-unc-mask': only('11.1', on),
  'x-pcie-ari-nextfn-1': only('11.1', off),
  'x-pcie-ext-tag': only('11.1', on),
  'x-max-bounce-buffer-size': only('11.1', size(4096)),
  'sriov-pf': only('11.1', bearing(text)),
}

/** What every virtio device takes (QEMU's `virtio-device`). */
export const VIRTIO_PROPERTIES: PropertyList = {
  iommu_platform: bearing(off),
  packed: bearing(off),
  event_idx: bearing(on),
  indirect_desc: bearing(on),
  notify_on_empty: bearing(on),
  any_layout: bearing(on),
  queue_reset: bearing(on),
  in_order: only('11.1', bearing(off)),
  'use-started': on,
  'use-disabled-flag': on,
  'x-disable-legacy-check': bearing(off),
}

/** What every virtio device on PCI takes (QEMU's `virtio-pci`), but for the two that choose legacy and modern. */
export const VIRTIO_PCI_PROPERTIES: PropertyList = {
  ats: bearing(off),
  'x-ats-page-aligned': bearing(on),
  aer: bearing(off),
  'page-per-vq': bearing(off),
  'modern-pio-notify': bearing(off),
  'x-disable-pcie': only('7.2', bearing(off)),
  'x-pcie-pm-init': only('7.2', bearing(on)),
  'x-pcie-flr-init': bearing(on),
  'x-pcie-deverr-init': only('7.2', on),
  'x-pcie-lnkctl-init': only('7.2', on),
  'x-pcie-pm-no-soft-reset': only('11.1', on),
  'x-ignore-backend-features': only('7.2', off),
  'migrate-extra': only('7.2', on),
  'virtio-pci-bus-master-bug-migration': off,
  ioeventfd: on,
}

/** Legacy or modern: models whose name decides it (`-transitional`, `-non-transitional`) do not have these. */
export const VIRTIO_PCI_GENERATION: PropertyList = {
  'disable-legacy': bearing(onOffAuto('auto')),
  'disable-modern': bearing(off),
}

/** What every network card takes. */
export const NIC_PROPERTIES: PropertyList = {
  mac: bearing(mac),
  netdev: bearing(text),
  bootindex: int32(-1),
}

const ERROR_ACTIONS = ['ignore', 'enospc', 'report', 'stop', 'auto']

/** What every device with a disk behind it takes. */
export const BLOCK_PROPERTIES: PropertyList = {
  drive: bearing(text),
  bootindex: int32(-1),
  logical_block_size: size(512),
  physical_block_size: size(512),
  min_io_size: size(0),
  opt_io_size: size(0),
  discard_granularity: size(null),
  'write-cache': onOffAuto('auto'),
  'share-rw': off,
  'account-invalid': onOffAuto('auto'),
  'account-failed': onOffAuto('auto'),
  backend_defaults: onOffAuto('auto'),
  rerror: oneOf('auto', ERROR_ACTIONS),
  werror: oneOf('auto', ERROR_ACTIONS),
  'stats-intervals': only('11.1', text),
}

/** Geometry of disks that have one. */
export const GEOMETRY_PROPERTIES: PropertyList = all(uint32(0), 'cyls', 'heads', 'secs')

/** `-device virtio-net-pci`: offloads and rings. */
export const VIRTIO_NET_PROPERTIES: PropertyList = {
  ...all(
    bearing(on),
    'csum',
    'guest_csum',
    'gso',
    'guest_tso4',
    'guest_tso6',
    'guest_ecn',
    'guest_ufo',
    'guest_announce',
    'host_tso4',
    'host_tso6',
    'host_ecn',
    'host_ufo',
    'mrg_rxbuf',
    'status',
    'ctrl_vq',
    'ctrl_rx',
    'ctrl_vlan',
    'ctrl_rx_extra',
    'ctrl_mac_addr',
    'ctrl_guest_offloads',
  ),
  ...all(bearing(off), 'mq', 'rss', 'hash', 'guest_rsc_ext', 'failover'),
  ...all(only('11.1', on), 'guest_uso4', 'guest_uso6', 'host_uso'),
  ...all(
    only('11.1', off),
    'host_tunnel',
    'host_tunnel_csum',
    'guest_tunnel',
    'guest_tunnel_csum',
    ...['hash-ipv4', 'hash-tcp4', 'hash-udp4'],
    ...['hash-ipv6', 'hash-tcp6', 'hash-udp6', 'hash-ipv6ex', 'hash-tcp6ex', 'hash-udp6ex'],
  ),
  rsc_interval: uint32(300_000),
  'x-txtimer': uint32(150_000),
  'x-txburst': int32(256),
  tx: text,
  rx_queue_size: bearing(uint16(256)),
  tx_queue_size: bearing(uint16(256)),
  host_mtu: uint16(0),
  'x-mtu-bypass-backend': only('7.2', on),
  speed: int32(-1),
  duplex: text,
  'ebpf-rss-fds': only('11.1', text),
}
