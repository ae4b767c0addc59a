import { PLAIN, type Style } from '@dmascope/report'

/** Colours on a terminal, unless NO_COLOR is set to anything (no-color.org). */
export async function styleFor(isTerminal: boolean, env: NodeJS.ProcessEnv): Promise<Style> {
  if (!isTerminal || (env.NO_COLOR ?? '') !== '') return PLAIN
  const { createColors } = (await import('picocolors')).default
  const { bold, dim, green, yellow, red } = createColors(true)
  return { bold, dim, good: green, warn: yellow, bad: red }
}
