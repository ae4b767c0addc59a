import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'

const PACKAGES = new URL('../../../packages/', import.meta.url).pathname

/** `<!-- example: FILE -->`, the file's text in a `ts` block, and what it prints in a `text` block. */
const EXAMPLE = /<!-- example: (\S+) -->\s*```ts\n([\s\S]*?)```(?:\s*```text\n([\s\S]*?)```)?/g

afterEach(() => vi.restoreAllMocks())

const names = readdirSync(PACKAGES).filter((name) => existsSync(join(PACKAGES, name, 'package.json')))

describe.each(names)('README of %s', (name) => {
  const folder = join(PACKAGES, name)

  it('tells what the package owns, does not own and depends on', () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    expect(readme).toMatch(/owns/i)
    expect(readme).toMatch(/does not own/i)
    expect(readme).toMatch(/depends on/i)
  })

  it('shows every example as it is, and what it prints', async () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    const shown = [...readme.matchAll(EXAMPLE)]
    const files = existsSync(join(folder, 'examples')) ? readdirSync(join(folder, 'examples')) : []
    expect(shown.map(([, file]) => file).sort()).toEqual(files.map((file) => `examples/${file}`).sort())
    expect(shown.length).toBeGreaterThan(0)
    for (const [, file, code, output] of shown) {
      const path = join(folder, file as string)
      expect(code, file).toBe(readFileSync(path, 'utf8'))
      const lines: string[] = []
      const log = vi.spyOn(console, 'log').mockImplementation((...parts: unknown[]) => {
        lines.push(parts.join(' '))
      })
      await import(/* @vite-ignore */ pathToFileURL(path).href)
      log.mockRestore()
      expect(`${lines.join('\n')}\n`, file).toBe(output ?? '\n')
    }
  })
})
