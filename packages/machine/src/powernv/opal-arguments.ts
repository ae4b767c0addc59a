import type { Phb } from './phb.ts'

/** The arguments of one call: pairs of words, the lower first. */
export type OpalArguments = Uint32Array

/** An argument as a Number: NaN where it is 2^53 or more, so that nothing compares equal to it. */
export const numberAt = (args: OpalArguments, index: number): number => {
  const hi = args[index * 2 + 1]!
  return hi >= 0x20_0000 ? Number.NaN : hi * 0x1_0000_0000 + args[index * 2]!
}

/** Whether the bridge has an endpoint of this number. */
export const isEndpoint = ({ place }: Pick<Phb, 'place'>, number: number): boolean =>
  number >= 0 && number < place.endpoints
