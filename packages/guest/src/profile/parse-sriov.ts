import { DmascopeError } from '@dmascope/layout'
import { formatBdf, parseBdf } from '@dmascope/pci/spec'

/** What is written to `sriov_numvfs` of one device, or of each that has one. */
export interface SriovRequest {
  /** `0000:00:03.0`, or all. */
  readonly device: string
  /** Null for as many as there can be. */
  readonly count: number | null
}

const MOST = 0xffff

/**
 * `all`, `00:03.0` or `0000:00:03.0/2`.
 *
 * @throws DmascopeError GUEST_OPTION_VALUE
 */
export function parseSriov(value: string, text: string): SriovRequest {
  if (value === 'all') return { device: 'all', count: null }
  const [address = '', number, ...rest] = value.split('/')
  const found = parseBdf(address)
  const count = number === undefined ? null : /^[1-9][0-9]{0,4}$/.test(number) ? Number(number) : Number.NaN
  if (found === null || rest.length > 0 || Number.isNaN(count) || (count ?? 1) > MOST) {
    throw new DmascopeError(
      'GUEST_OPTION_VALUE',
      `guest "${text}": sriov=${value} says of no device how many virtual functions to enable; write sriov=all, or a device and 1 to ${MOST}, such as sriov=00:03.0/2`,
      { text, got: value },
    )
  }
  return { device: formatBdf(found.id, found.segment), count }
}
