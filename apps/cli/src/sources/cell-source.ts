import { DmascopeError } from '@dmascope/layout'
import { describeCell, parseCell, SELF_TEST_BYTES } from '@dmascope/scenarios'
import type { LoadedSource } from './loaded-source.ts'

/** The machine and guest of a cell. @throws DmascopeError where it is none, or there is no such machine */
export function loadCell(source: string): LoadedSource {
  const cell = parseCell(source)
  const { description, impossible } = describeCell(cell)
  if (description !== null) return { description, guest: cell.guest, selfTestBytes: SELF_TEST_BYTES }
  throw new DmascopeError('CLI_NO_SUCH_MACHINE', `${source}: there is no such machine: ${impossible}`, { source })
}
