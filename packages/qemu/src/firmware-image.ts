import type { Collected } from './collected.ts'
import { textOf } from './key-value.ts'
import { refusal } from './refusal.ts'

/**
 * The firmware image that runs before the kernel: of `-bios`, `-machine firmware=` or `pflash0=`, or of the first
 * `-drive if=pflash`. Null where there is none, and QEMU starts the kernel itself.
 *
 * @throws DmascopeError QEMU_BACKEND for two of them
 */
export function firmwareImage(collected: Collected): string | null {
  const { bios, entries, machine } = collected
  const flash = entries.drive.filter(({ pairs }) => textOf(pairs, 'if') === 'pflash')
  const first = flash.find(({ pairs }) => Number(textOf(pairs, 'unit') ?? textOf(pairs, 'index') ?? 0) === 0)
  const inFlash = textOf(machine.values, 'pflash0') ?? (first && (textOf(first.pairs, 'file') ?? 'pflash0')) ?? null
  const apart = bios?.file ?? textOf(machine.values, 'firmware')
  if (apart !== null && inFlash !== null) {
    throw refusal(
      'QEMU_BACKEND',
      bios?.place ?? machine.placeOf('firmware'),
      'The contents of the first flash device may be specified with -bios or with -drive if=pflash, not with both',
    )
  }
  return apart ?? inFlash
}
