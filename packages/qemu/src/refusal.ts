import { DmascopeError, nearestName } from '@dmascope/machine'

/** One option as it stands on the command line or in a configuration file. */
export interface Place {
  /** `argument 7 (-device virtio-blk-pci,drive=d0)`; for a file: `machine.cfg:12 ([device "blk0"])`. */
  readonly text: string
  /** The option as written, for the list of ignored ones: `-display none`. */
  readonly written: string
}

/** What QEMU refuses, or what is not modelled: `<place>: <what>`. */
export function refusal(
  code: string,
  place: Place,
  message: string,
  context: Readonly<Record<string, unknown>> = {},
): DmascopeError {
  return new DmascopeError(code, `${place.text}: ${message}`, { where: place.text, ...context })
}

/** The same for a name that is not known: adds the nearest known one, or a short list of all. */
export function unknownName(
  code: string,
  place: Place,
  message: string,
  name: string,
  known: readonly string[],
): DmascopeError {
  const nearest = nearestName(name, known)
  const all = known.length === 0 ? '; none is defined' : known.length <= 12 ? `; known are ${known.join(', ')}` : ''
  const hint = nearest === null ? all : `; did you mean '${nearest}'?`
  return refusal(code, place, `${message}${hint}`, { name, nearest })
}
