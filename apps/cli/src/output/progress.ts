/** A line on standard error that tells how far long work is, where somebody watches. */
export interface Progress {
  advance(): void
  /** Takes the line away. */
  end(): void
}

/** Not more often than this, in milliseconds. */
const EVERY = 100

const BAR = 30

/** Where nobody watches, or what is printed shows it already. */
export const NO_PROGRESS: Progress = { advance() {}, end() {} }

/** The line after `done` of `total` steps, which took so many seconds: how fast it goes, once that can be told. */
export function progressLine(what: string, done: number, total: number, seconds: number): string {
  const filled = Math.floor((done / Math.max(total, 1)) * BAR)
  const bar = `${what} [${'#'.repeat(filled)}${' '.repeat(BAR - filled)}] ${done}/${total}`
  if (seconds < 1 || done === 0) return bar
  const rate = done / seconds
  return `${bar}, ${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a second, ${timeLeft((total - done) / rate)} left`
}

function timeLeft(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.ceil(whole / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** @param total - steps; the line counts them */
export function showProgress(what: string, total: number): Progress {
  const { stderr } = process
  if (stderr.isTTY !== true) return NO_PROGRESS
  const start = Date.now()
  let done = 0
  let last = 0
  return {
    advance() {
      done++
      const now = Date.now()
      if (now - last < EVERY) return
      last = now
      stderr.write(`\r\u001b[K${progressLine(what, done, total, (now - start) / 1000)}`)
    },
    end() {
      stderr.write('\r\u001b[K')
    },
  }
}
