import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const ROOT = new URL('../../../', import.meta.url).pathname

it('shows the report of the default boot as it is', () => {
  execFileSync(process.execPath, ['bundle.js'], { cwd: `${ROOT}apps/cli` })
  const readme = readFileSync(`${ROOT}README.md`, 'utf8')
  const shown = /<!-- output: boot -->\s*```text\n([\s\S]*?)```/.exec(readme)?.[1]
  const printed = execFileSync(process.execPath, ['apps/cli/bin/dmascope.js', 'boot'], { cwd: ROOT, encoding: 'utf8' })
  expect(shown).toBe(printed)
})
