import type { CpuBus } from '@dmascope/memory/contracts'
import type { PciConfig } from '../pci/config-access.ts'
import { CHIPSET_DEVICE, I440FX, PAM, Q35_MCH } from '../spec/chipset.ts'

const AREA = { base: 0xe_0000, size: 0x2_0000 } as const
/** The ROM on its way, a piece at a time: one that stays in the processor's first cache. */
const SCRATCH = new Uint8Array(0x4000)
/** The same bytes of the ROM, below 4 GiB. */
const ROM = 0x1_0000_0000 - AREA.size
const { HIGH_READ, HIGH_WRITE, LOW_READ, LOW_WRITE } = PAM.fields
/** PAM0 to PAM6. */
const PAM_REGISTERS = 7
const READ = (HIGH_READ.loMask | LOW_READ.loMask) >>> 0
const WRITE = (HIGH_WRITE.loMask | LOW_WRITE.loMask) >>> 0

const pamRegister = (hostDevice: number): number | null =>
  hostDevice === CHIPSET_DEVICE.Q35_MCH
    ? Q35_MCH.registers.PAM0.offset
    : hostDevice === CHIPSET_DEVICE.I440FX
      ? I440FX.registers.PAM0.offset
      : null

function setAll(config: PciConfig, register: number, attributes: number): void {
  // Seven bytes in a row, in as few accesses as they take where they are aligned; the first one's low half is reserved.
  let index = 0
  while (index < PAM_REGISTERS) {
    const at = register + index
    const bytes = at % 4 === 0 && index + 4 <= PAM_REGISTERS ? 4 : at % 2 === 0 && index + 2 <= PAM_REGISTERS ? 2 : 1
    const value = index === 0 ? (attributes * 0x0101_0101 - (attributes & 0x0f)) >>> 0 : attributes * 0x0101_0101
    if (bytes === 4) config.write32(0, at, value)
    else if (bytes === 2) config.write16(0, at, value & 0xffff)
    else config.write8(0, at, value & 0xff)
    index += bytes
  }
}

/**
 * Puts RAM in place of the ROM from 0xc0000 to 0xfffff, and the ROM's bytes into it, so that firmware can write its
 * tables there.
 *
 * @returns what makes that memory read-only again; null for a host bridge that is not known
 */
export function shadowBios(bus: CpuBus, config: PciConfig): (() => void) | null {
  const register = pamRegister(config.read16(0, 2))
  if (register === null) return null
  setAll(config, register, READ | WRITE)
  for (let done = 0; done < AREA.size; done += SCRATCH.length) {
    bus.readBytes(ROM + done, SCRATCH)
    bus.writeBytes(AREA.base + done, SCRATCH)
  }
  return () => setAll(config, register, READ)
}
