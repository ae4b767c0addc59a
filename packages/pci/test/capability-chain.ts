import type { ConfigSpace } from '@dmascope/pci'

/** Walks both chains as software does: `11@98` for a capability, `x0001@100` for an extended one, in chain order. */
export function chainOf(config: ConfigSpace): string[] {
  const found: string[] = []
  let at = (config.read(0x06, 2) & 0x10) === 0 ? 0 : config.read(0x34, 1)
  for (let left = 48; at >= 0x40 && left > 0; left--) {
    found.push(`${config.read(at, 1).toString(16).padStart(2, '0')}@${at.toString(16)}`)
    at = config.read(at + 1, 1) & 0xfc
  }
  let extended = config.size === 4096 && config.read(0x100, 4) !== 0 ? 0x100 : 0
  for (let left = 960; extended >= 0x100 && left > 0; left--) {
    const header = config.read(extended, 4)
    found.push(`x${(header & 0xffff).toString(16).padStart(4, '0')}@${extended.toString(16)}`)
    extended = (header >>> 20) & 0xffc
  }
  return found
}
