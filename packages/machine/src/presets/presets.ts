import { DmascopeError, nearestName } from '@dmascope/layout'
import type { MachineDescription, QemuVersion } from '../description.ts'
import { describeMachine } from '../file/describe-machine.ts'
import { ARM, RESTRICTED_POOL } from './arm.ts'
import { BMIPS } from './bmips.ts'
import { PEF, POWER } from './power.ts'
import type { Preset } from './preset.ts'
import { S390X } from './s390x.ts'
import { SUN4U } from './sun4u.ts'
import { BOUNCE, EXTERNAL_PORT, SEV, X86 } from './x86.ts'

/** In the order in which they are listed. */
const PRESETS: readonly Preset[] = [
  ...X86,
  ...ARM,
  EXTERNAL_PORT,
  RESTRICTED_POOL,
  ...POWER,
  ...BMIPS,
  SUN4U,
  SEV,
  PEF,
  ...S390X,
  BOUNCE,
]

/** The preset of `dmascope boot` without a source. */
export const DEFAULT_PRESET = 'default'

/** Other names, after what a preset shows. */
const ALIASES: Readonly<Record<string, string>> = { probe: 'lying-firmware' }

/** Every preset, the default one first. */
export const listPresets = (): readonly Preset[] => PRESETS

/** A preset by name or alias. @throws DmascopeError MACHINE_UNKNOWN_PRESET naming the nearest, and all */
export function findPreset(name: string): Preset {
  const wanted = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name
  const preset = PRESETS.find((one) => one.name === wanted)
  if (preset !== undefined) return preset
  const names = [...PRESETS.map((one) => one.name), ...Object.keys(ALIASES)]
  const nearest = nearestName(name, names)
  throw new DmascopeError(
    'MACHINE_UNKNOWN_PRESET',
    `there is no preset '${name}'${nearest === null ? '; ' : `; did you mean '${nearest}'? `}presets are ${names.join(', ')}`,
    { name, nearest },
  )
}

/** The machine of a preset, on its own QEMU release or on another one. */
export function describePreset(
  preset: Preset,
  options: { readonly qemuVersion?: QemuVersion } = {},
): MachineDescription {
  const qemuVersion = options.qemuVersion ?? '11.1'
  const content = { ...(preset.otherwise?.[qemuVersion] ?? preset.content), qemuVersion }
  const where = (path: readonly PropertyKey[]): string =>
    [`preset ${preset.name}`, ...path.map((step) => (typeof step === 'number' ? `device ${step + 1}` : String(step)))]
      .filter((part) => part !== 'devices')
      .join(', ')
  return describeMachine(content, { where, whereKey: where }, { qemuVersion, source: 'preset', name: preset.name })
}
