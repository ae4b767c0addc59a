import type { DeviceBackend, PropertyValue } from '@dmascope/machine'
import type { Collected, Entry, Nic } from './collected.ts'
import { type Pairs, switchOf, textOf } from './key-value.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

/** A network backend, resolved. */
export interface Network {
  readonly backend: DeviceBackend
  readonly place: Place
}

const words = (list: string): readonly string[] => list.trim().split(/\s+/)

/** Backends and their keys. */
const NETDEVS: Readonly<Record<string, readonly string[]>> = {
  user: words(`hostname restrict ipv4 ipv6 ip net host tftp bootfile dhcpstart dns dnssearch domainname ipv6-prefix
    ipv6-prefixlen ipv6-host ipv6-dns smb smbserver hostfwd guestfwd tftp-server-name ipv6-net`),
  tap: words(`ifname fd fds script downscript br helper sndbuf vnet_hdr vhost vhostfd vhostfds vhostforce queues
    poll-us`),
  bridge: words('br helper'),
  socket: words('fd listen connect mcast localaddr udp'),
  stream: words('server addr reconnect reconnect-ms'),
  dgram: words('local remote'),
  l2tpv3: words(
    'src dst srcport dstport ipv6 udp cookie64 counter pincounter txcookie rxcookie txsession rxsession offset',
  ),
  vde: words('sock port group mode'),
  netmap: words('ifname devname'),
  'af-xdp': words('ifname mode force-copy queues start-queue inhibit sock-fds map-path map-start-index'),
  'vmnet-host': words('start-address end-address subnet-mask isolated net-uuid'),
  'vmnet-shared': words('start-address end-address subnet-mask nat66-prefix isolated'),
  'vmnet-bridged': words('ifname isolated'),
  hubport: words('hubid netdev'),
  'vhost-user': words('chardev vhostforce queues'),
  'vhost-vdpa': words('vhostdev vhostfd queues x-svq'),
  passt: words(`path quiet vhost-user mtu address netmask mac gateway interface outbound outbound-if4 outbound-if6 dns
    search fqdn dhcp-dns dhcp-search map-host-loopback map-guest-addr dns-forward dns-host tcp udp icmp dhcp ndp dhcpv6
    ra freebind ipv4 ipv6 tcp-ports udp-ports param`),
}

function checkNetdev(type: string, pairs: Pairs, more: readonly string[], place: Place): void {
  const keys = Object.hasOwn(NETDEVS, type) ? NETDEVS[type] : undefined
  if (keys === undefined) {
    throw unknownName(
      'QEMU_VALUE',
      place,
      `Parameter 'type' does not accept value '${type}'`,
      type,
      Object.keys(NETDEVS),
    )
  }
  for (const key of pairs.keys()) {
    const root = key.split('.')[0]!
    if (key === 'type' || key === 'id' || keys.includes(root) || more.includes(root)) continue
    throw unknownName('QEMU_BACKEND_PROPERTY', place, `Invalid parameter '${key}'`, key, [...keys, ...more])
  }
}

function whereOf(type: string, pairs: Pairs, chardevs: ReadonlySet<string>, place: Place): DeviceBackend['where'] {
  if (type === 'vhost-user') {
    const chardev = textOf(pairs, 'chardev')
    if (chardev === null) {
      throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'chardev' is missing", { property: 'chardev' })
    }
    if (!chardevs.has(chardev)) {
      throw unknownName('QEMU_BACKEND', place, `chardev "${chardev}" not found`, chardev, [...chardevs])
    }
    return 'vhost-user'
  }
  if (type === 'vhost-vdpa') return 'vhost'
  if (type === 'passt') return switchOf(pairs, 'vhost-user', false, place) ? 'vhost-user' : 'qemu'
  if (type !== 'tap') return 'qemu'
  const asked = switchOf(pairs, 'vhost', pairs.has('vhostfd') || pairs.has('vhostfds'), place)
  const forced = switchOf(pairs, 'vhostforce', false, place)
  if (!asked && (pairs.has('vhostfd') || pairs.has('vhostfds'))) {
    throw refusal('QEMU_BACKEND', place, 'vhostfd(s)= is not valid without vhost')
  }
  return asked || forced ? 'vhost' : 'qemu'
}

/** Every `-netdev` by id. @throws DmascopeError for what QEMU refuses of them */
export function resolveNetworks(collected: Collected, chardevs: ReadonlySet<string>): Map<string, Network> {
  const networks = new Map<string, Network>()
  for (const { id, pairs, place } of collected.entries.netdev) {
    const type = textOf(pairs, 'type')
    if (type === null)
      throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'type' is missing", { property: 'type' })
    if (type !== 'none') checkNetdev(type, pairs, [], place)
    if (id === null) throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'id' is missing", { property: 'id' })
    networks.set(id, { backend: { kind: 'network', where: whereOf(type, pairs, chardevs, place) }, place })
  }
  return networks
}

/** A network card of `-nic` or `-net nic` as the `-device` that it stands for. */
export interface NicDevice {
  readonly entry: Entry
  readonly backend: DeviceBackend | null
}

/** Names that the old options take for a card. */
const NIC_MODELS: Readonly<Record<string, string>> = { virtio: 'virtio-net-pci' }
const NIC_KEYS = ['model', 'mac', 'netdev', 'name', 'macaddr', 'addr', 'vectors']

/**
 * A card of `-nic` or `-net nic`.
 *
 * @param defaultModel - the machine's: e1000e on q35, e1000 on pc
 */
export function resolveNic(
  { option, entry }: Nic,
  networks: ReadonlyMap<string, Network>,
  chardevs: ReadonlySet<string>,
  defaultModel: string,
): NicDevice {
  const { pairs, place } = entry
  const type = textOf(pairs, 'type')!
  let backend: DeviceBackend | null = null
  const netdev = textOf(pairs, 'netdev')
  if (option === 'nic') {
    checkNetdev(type, pairs, ['model', 'mac'], place)
    backend = { kind: 'network', where: whereOf(type, pairs, chardevs, place) }
  } else {
    for (const key of pairs.keys()) {
      if (key === 'type' || key === 'id' || NIC_KEYS.includes(key)) continue
      throw unknownName('QEMU_BACKEND_PROPERTY', place, `Invalid parameter '${key}'`, key, NIC_KEYS)
    }
    if (netdev !== null) {
      const found = networks.get(netdev)
      if (found === undefined) {
        throw unknownName('QEMU_BACKEND', place, `netdev '${netdev}' not found`, netdev, [...networks.keys()])
      }
      backend = found.backend
    } else {
      backend = { kind: 'network', where: 'qemu' }
    }
  }
  const model = textOf(pairs, 'model') ?? defaultModel
  const device = new Map<string, PropertyValue>()
  const named = Object.hasOwn(NIC_MODELS, model) ? NIC_MODELS[model]! : model
  device.set('driver', model === 'virtio' && defaultModel === 'virtio-net-ccw' ? defaultModel : named)
  const mac = textOf(pairs, 'mac') ?? textOf(pairs, 'macaddr')
  if (mac !== null) device.set('mac', mac)
  for (const key of ['addr', 'vectors']) {
    const value = pairs.get(key)
    if (value !== undefined && option === 'net') device.set(key, value)
  }
  return { entry: { id: null, pairs: device, place, json: false }, backend }
}
