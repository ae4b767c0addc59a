import type { Architecture } from './arguments.ts'
import type { ResolvedObject } from './objects.ts'
import { refusal } from './refusal.ts'
import type { Settings } from './settings.ts'

/** Machine properties that name the object which keeps the guest's memory private; the second is the older one. */
export const CONFIDENTIAL_PROPERTIES: readonly string[] = ['confidential-guest-support', 'memory-encryption']

/** Kinds of such objects that are modelled, and the machines' processors that they are for. */
const KINDS: Readonly<Record<string, { readonly kind: 'sev' | 'pef' | 'pv'; readonly architecture: Architecture }>> = {
  'sev-guest': { kind: 'sev', architecture: 'x86_64' },
  'pef-guest': { kind: 'pef', architecture: 'ppc64' },
  's390-pv-guest': { kind: 'pv', architecture: 's390x' },
}

/**
 * What keeps the guest's memory private, as a property of the machine's.
 *
 * @throws DmascopeError QEMU_VALUE where the object is not there, MACHINE_NOT_MODELLED where its kind is not modelled
 */
export function confidentialGuest(
  settings: Settings,
  objects: ReadonlyMap<string, ResolvedObject>,
  architecture: Architecture,
): { readonly confidential?: 'sev' | 'pef' | 'pv' } {
  for (const [key, value] of settings.values) {
    const id = String(value)
    if (!CONFIDENTIAL_PROPERTIES.includes(key.replaceAll('_', '-')) || id === '') continue
    const place = settings.placeOf(key)
    const object = objects.get(id)
    if (object === undefined) {
      throw refusal('QEMU_VALUE', place, `Device '${id}' not found; add -object sev-guest,id=${id},...`, {
        property: key,
      })
    }
    const known = KINDS[object.type]
    if (known?.architecture === architecture) return { confidential: known.kind }
    throw refusal(
      'MACHINE_NOT_MODELLED',
      place,
      `a guest of '${object.type}' on ${architecture} is not modelled; sev-guest on x86_64, pef-guest on ppc64 and s390-pv-guest on s390x are`,
      { property: key, type: object.type },
    )
  }
  return {}
}
