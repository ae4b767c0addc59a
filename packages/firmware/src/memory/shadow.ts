import type { CpuBus } from '@dmascope/memory/contracts'
import type { PciConfig } from '../pci/config-access.ts'
import { CHIPSET_DEVICE, I440FX, PAM, Q35_MCH } from '../spec/chipset.ts'

const AREA = { base: 0xe_0000, size: 0x2_0000 } as const
/** The ROM on its way, a piece at a time: one that stays in the processor's first cache. */
const SCRATCH = new Uint8Array(0x4000)
/** The same bytes of the ROM, below 4 GiB. */
const ROM = 0x1_0000_0000 - AREA.size
const { HIGH_READ, HIGH_WRITE, LOW_READ, LOW_WRITE } = PAM.fields
const READ = (HIGH_READ.loMask | LOW_READ.loMask) >>> 0
const WRITE = (HIGH_WRITE.loMask | LOW_WRITE.loMask) >>> 0

const pamRegister = (hostDevice: number): number | null =>
  hostDevice === CHIPSET_DEVICE.Q35_MCH
    ? Q35_MCH.registers.PAM0.offset
    : hostDevice === CHIPSET_DEVICE.I440FX
      ? I440FX.registers.PAM0.offset
      : null

function setAll(config: PciConfig, register: number, attributes: number): void {
  // PAM0's low half is reserved.
  config.write8(0, register, attributes & 0xf0)
  for (let index = 1; index <= 6; index++) config.write8(0, register + index, attributes)
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
