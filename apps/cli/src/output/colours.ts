import { PLAIN, type Style } from '@dmascope/report'
import pc from 'picocolors'

/** Colours on a terminal, unless NO_COLOR is set to anything (no-color.org). */
export function styleFor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Style {
  if (stream.isTTY !== true || (env.NO_COLOR ?? '') !== '') return PLAIN
  const { bold, dim, green, yellow, red } = pc.createColors(true)
  return { bold, dim, good: green, warn: yellow, bad: red }
}
