import { fstatSync, writeSync } from 'node:fs'
import { BAD_INPUT, DONE } from '../exit.ts'

const STANDARD_OUTPUT = 1

/** A reader that closes early, such as head, ends the command without a word. */
function leave(error: NodeJS.ErrnoException): never {
  process.exit(error.code === 'EPIPE' ? DONE : BAD_INPUT)
}

let watched = false

/** Node's stream. To load it takes a tenth of what a boot takes, so that it is left alone where plain writes do. */
function stream(): NodeJS.WriteStream {
  const { stdout } = process
  if (!watched) stdout.on('error', leave)
  watched = true
  return stdout
}

/** Whether standard output is a file or a pipe. */
function isPlain(): boolean {
  try {
    return !fstatSync(STANDARD_OUTPUT).isCharacterDevice()
  } catch {
    return false
  }
}

export const isTerminal = (): boolean => !isPlain() && stream().isTTY === true

/** Writes text to standard output; where a reader has to catch up first, Node's stream waits for it. */
export const print = (text: string): void => printBytes(Buffer.from(text))

/** The same of bytes. */
export function printBytes(bytes: Uint8Array): void {
  let rest = bytes
  try {
    while (isPlain() && !watched && rest.length > 0) rest = rest.subarray(writeSync(STANDARD_OUTPUT, rest))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') leave(error as NodeJS.ErrnoException)
  }
  if (rest.length > 0) stream().write(rest)
}

export const printLine = (line: string): void => print(`${line}\n`)

/**
 * Ends the process at once where all is written: it would else wait some milliseconds for the compiler's threads to end
 * what nobody needs any more.
 */
export function leaveWhenWritten(): void {
  if (!watched || process.stdout.writableLength === 0) process.exit()
}
