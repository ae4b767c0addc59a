import { readFileSync } from 'node:fs'
import { bytesOfPrinted } from './annotated-hex.ts'

/** The table of a file of annotated hex in `golden`. */
export const goldenTable = (name: string): Uint8Array =>
  bytesOfPrinted(readFileSync(new URL(`./golden/${name}`, import.meta.url), 'utf8'))
