import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Bundles the command line before any test runs it. */
export function setup(): void {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  execFileSync(process.execPath, ['bundle.js'], { cwd: folder, stdio: 'inherit' })
}
