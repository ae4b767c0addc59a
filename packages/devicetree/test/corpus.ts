import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOfHex } from './hex.ts'

/** A blob that somebody's firmware or emulator handed to a kernel. */
export interface RealBlob {
  readonly name: string
  readonly bytes: Uint8Array
}

const corpus = process.env.DMASCOPE_CORPUS
const golden = new URL('golden/', import.meta.url)

/** `dtb/*.dtb` in the folder that DMASCOPE_CORPUS names; none where it names none. */
export const realBlobs: readonly RealBlob[] =
  corpus === undefined
    ? []
    : readdirSync(join(corpus, 'dtb'))
        .filter((name) => name.endsWith('.dtb'))
        .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(corpus, 'dtb', name))) }))

/** The blobs in `golden/`: annotated hex, bytes before `#`. */
export const goldenBlobs: readonly RealBlob[] = readdirSync(golden)
  .filter((name) => name.endsWith('.dtb.hex'))
  .map((name) => ({ name, bytes: bytesOfHex(readFileSync(new URL(name, golden), 'utf8')) }))
