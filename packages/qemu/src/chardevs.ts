import type { Collected, Entry, Group } from './collected.ts'
import { textOf } from './key-value.ts'
import { refusal, unknownName } from './refusal.ts'

const words = (list: string): readonly string[] => list.trim().split(/\s+/)

const CHARDEVS =
  words(`null socket udp msmouse vc ringbuf memory file pipe console serial tty parallel parport pty stdio
  braille testdev wctablet spicevmc spiceport hub dbus qemu-vdagent mux`)
const CHARDEV_KEYS = words(`path host port ipv4 ipv6 to server wait websocket telnet tn3270 delay nodelay reconnect
  reconnect-ms tls-creds tls-authz mux signal append input-path logfile logappend width height cols rows size localaddr
  localport abstract tight fd name mouse clipboard chardev debug chardevs mptcp keep-alive`)

const FSDEVS = words('local synth proxy')
const FSDEV_KEYS = words(`path security_model writeout readonly socket sock_fd fmode dmode multidevs
  throttling.bps-total throttling.bps-read throttling.bps-write throttling.iops-total throttling.iops-read
  throttling.iops-write throttling.iops-size`)

/** Backends of which only the name matters: a character device or a directory moves no guest memory by itself. */
function checkNamed(
  group: Group,
  { id, pairs, place }: Entry,
  implied: string,
  types: readonly string[],
  keys: readonly string[],
): string {
  const type = textOf(pairs, implied)
  if (type === null) {
    throw refusal('QEMU_MISSING_PROPERTY', place, `${group}: "${id ?? ''}" missing ${implied}`, { property: implied })
  }
  if (!types.includes(type)) {
    throw unknownName('QEMU_VALUE', place, `'${type}' is not a valid ${group} ${implied}`, type, types)
  }
  if (id === null) throw refusal('QEMU_MISSING_PROPERTY', place, `${group}: no id specified`, { property: 'id' })
  for (const key of pairs.keys()) {
    const root = key.split('.')[0]!
    if ([implied, 'id'].includes(key) || keys.includes(key) || keys.includes(root)) continue
    throw unknownName('QEMU_BACKEND_PROPERTY', place, `Invalid parameter '${key}'`, key, keys)
  }
  return id
}

/** The ids of every `-chardev`. */
export const resolveChardevs = (collected: Collected): ReadonlySet<string> =>
  new Set(collected.entries.chardev.map((entry) => checkNamed('chardev', entry, 'backend', CHARDEVS, CHARDEV_KEYS)))

/** The ids of every `-fsdev`. */
export const resolveFsdevs = (collected: Collected): ReadonlySet<string> =>
  new Set(collected.entries.fsdev.map((entry) => checkNamed('fsdev', entry, 'fsdriver', FSDEVS, FSDEV_KEYS)))
