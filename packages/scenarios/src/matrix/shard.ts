import { DmascopeError } from '@dmascope/layout'
import type { Cell } from '../cell/cell.ts'

/** A part of a matrix: the `index`-th of `count`, from 1 on. */
export interface Shard {
  readonly index: number
  readonly count: number
}

/** @throws DmascopeError SCENARIO_SHARD unless it is `i/n` with 1 <= i <= n */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []
  const shard = { index: Number(index), count: Number(count) }
  if (shard.index >= 1 && shard.index <= shard.count) return shard
  throw new DmascopeError('SCENARIO_SHARD', `--shard ${text}: write which part of how many, such as 1/4`, { text })
}

/** Every `count`-th cell, so that parts are about equally long. */
export function* shardOf(cells: Iterable<Cell>, { index, count }: Shard): Generator<Cell> {
  let at = 0
  for (const cell of cells) if (at++ % count === index - 1) yield cell
}
