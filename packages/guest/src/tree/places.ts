import { type DtNode, parseReg } from '@dmascope/devicetree'

/** Entries of `reg` that a Number can say. */
export function places(node: DtNode): { base: number; size: number }[] {
  return parseReg(node).flatMap(({ address, size }) =>
    typeof address === 'number' && typeof size === 'number' ? [{ base: address, size }] : [],
  )
}
