import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { afterAll, expect, it } from 'vitest'
import rules from '../rules.js'

const folders: string[] = []

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

/** Names of the rules that a tree of such files breaks. */
async function broken(files: Readonly<Record<string, string>>): Promise<string[]> {
  const baseDir = mkdtempSync(join(tmpdir(), 'dmascope-boundaries-'))
  folders.push(baseDir)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(baseDir, path)), { recursive: true })
    writeFileSync(join(baseDir, path), text)
  }
  const { output } = await cruise(['packages'], {
    ...rules.options,
    baseDir,
    validate: true,
    ruleSet: { forbidden: rules.forbidden ?? [] },
  })
  return (output as ICruiseResult).summary.violations.map(({ rule }) => rule.name)
}

const model = 'export const model = 1\n'

it('passes a driver that imports a specification', async () => {
  expect(
    await broken({
      'packages/pci/src/spec/index.ts': model,
      'packages/guest/src/a.ts': "import { model } from '../../pci/src/spec/index.ts'\nexport const a = model\n",
    }),
  ).toEqual([])
})

it('fails a guest that imports a model of hardware', async () => {
  expect(
    await broken({
      'packages/pci/src/root-complex.ts': model,
      'packages/guest/src/a.ts': "import { model } from '../../pci/src/root-complex.ts'\nexport const a = model\n",
    }),
  ).toEqual(['seam: guest learns of the machine through the CPU bus alone'])
})

it('fails a type-only import across the seam too', async () => {
  expect(
    await broken({
      'packages/machine/src/machine.ts': 'export interface Machine { readonly a: 1 }\n',
      'packages/firmware/src/a.ts':
        "import type { Machine } from '../../machine/src/machine.ts'\nexport type A = Machine\n",
    }),
  ).toEqual(['seam: firmware learns of the machine through the CPU bus alone'])
})

it('fails an import from a later row', async () => {
  expect(
    await broken({
      'packages/virtqueue/src/a.ts': model,
      'packages/memory/src/b.ts': "import { model } from '../../virtqueue/src/a.ts'\nexport const b = model\n",
    }),
  ).toEqual(['rows: memory imports earlier rows only'])
})

it('fails a cycle, a node: module, and a report that runs the machine', async () => {
  expect(
    await broken({
      'packages/layout/src/a.ts': "import { b } from './b.ts'\nexport const a = (): number => b()\n",
      'packages/layout/src/b.ts': "import { a } from './a.ts'\nexport const b = (): number => a()\n",
    }),
  ).toContain('cycles: none, between files or packages')
  expect(
    await broken({
      'packages/layout/src/a.ts': "import { readFileSync } from 'node:fs'\nexport const a = readFileSync\n",
    }),
  ).toEqual(['browser: node: modules are imported by apps and tooling only, and by entries that are for Node alone'])
  expect(
    await broken({
      'packages/machine/src/a.ts': model,
      'packages/report/src/b.ts': "import { model } from '../../machine/src/a.ts'\nexport const b = model\n",
    }),
  ).toEqual(['seam: the report takes data, not machines'])
})
