/** A line on standard error that tells how far long work is, where somebody watches. */
export interface Progress {
  advance(): void
  /** Takes the line away. */
  end(): void
}

/** Not more often than this, in milliseconds. */
const EVERY = 100

/** @param total - steps; the line counts them */
export function showProgress(what: string, total: number): Progress {
  const { stderr } = process
  if (stderr.isTTY !== true) return { advance() {}, end() {} }
  let done = 0
  let last = 0
  return {
    advance() {
      done++
      const now = Date.now()
      if (now - last < EVERY) return
      last = now
      const filled = Math.floor((done / Math.max(total, 1)) * 30)
      stderr.write(`\r${what} [${'#'.repeat(filled)}${' '.repeat(30 - filled)}] ${done}/${total}`)
    },
    end() {
      stderr.write('\r\u001b[K')
    },
  }
}
