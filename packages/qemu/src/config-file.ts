import type { PropertyValue } from '@dmascope/machine'
import { type Place, refusal, unknownName } from './refusal.ts'

/** One `[group "id"]` of a configuration file. */
export interface ConfigSection {
  readonly group: string
  readonly id: string | null
  readonly pairs: Map<string, PropertyValue>
  readonly place: Place
}

const GROUPS = [
  'device',
  'drive',
  'blockdev',
  'netdev',
  'net',
  'nic',
  'object',
  'chardev',
  'fsdev',
  'machine',
  'accel',
  'memory',
  'smp-opts',
  'global',
  'boot-opts',
  'rtc',
  'mon',
  'name',
  'msg',
  'overcommit',
  'sandbox',
  'spice',
  'vnc',
  'trace',
  'option-rom',
  'fw_cfg',
  'numa',
  'icount',
  'action',
  'audiodev',
  'tpmdev',
]

/**
 * Reads a file of `-readconfig`: `[group "id"]`, then lines `key = "value"`; `#` begins a comment line. As in QEMU,
 * what follows the closing quote or bracket counts for nothing.
 *
 * @throws DmascopeError QEMU_FILE where it cannot be read, QEMU_SYNTAX naming the line
 */
export function readConfigFile(
  path: string,
  from: Place,
  readFile: ((path: string) => string) | undefined,
): ConfigSection[] {
  if (readFile === undefined) {
    throw refusal('QEMU_FILE', from, `cannot read '${path}': this caller gives no access to files`, { path })
  }
  let content: string
  try {
    content = readFile(path)
  } catch (error) {
    throw refusal('QEMU_FILE', from, `cannot read '${path}': ${(error as Error)?.message ?? error}`, { path })
  }
  const sections: ConfigSection[] = []
  let current: ConfigSection | null = null
  for (const [index, raw] of content.split(/\r?\n/).entries()) {
    const line = raw.trim()
    const at = (written: string): Place => ({
      text: `${path}:${index + 1} (${written})`,
      written: `${path}: ${written}`,
    })
    if (line === '' || line.startsWith('#')) continue
    const header = /^\[\s*([A-Za-z0-9_-]+)(?:\s+"([^"]*)")?\s*\]/.exec(line)
    if (header !== null) {
      const group = header[1]!
      if (!GROUPS.includes(group)) {
        throw unknownName('QEMU_SYNTAX', at(line), `There is no option group '${group}'`, group, GROUPS)
      }
      current = { group, id: header[2] ?? null, pairs: new Map(), place: at(line) }
      sections.push(current)
      continue
    }
    const pair = /^([A-Za-z0-9_.-]+)\s*=\s*"([^"]*)"/.exec(line) ?? /^([A-Za-z0-9_.-]+)\s*=\s*([^"\s].*)?$/.exec(line)
    if (pair === null) throw refusal('QEMU_SYNTAX', at(line), 'parse error; write [group "id"] or key = "value"')
    if (current === null) throw refusal('QEMU_SYNTAX', at(line), 'no group defined: write [group "id"] before it')
    current.pairs.set(pair[1]!, pair[2] ?? '')
  }
  return sections
}
