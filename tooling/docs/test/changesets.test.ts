import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const ROOT = new URL('../../../', import.meta.url)
const nameOf = (folder: string): string =>
  (JSON.parse(readFileSync(new URL(`${folder}/package.json`, ROOT), 'utf8')) as { name: string }).name
const names = [
  ...readdirSync(new URL('packages', ROOT)).map((folder) => nameOf(`packages/${folder}`)),
  ...readdirSync(new URL('apps', ROOT)).map((folder) => nameOf(`apps/${folder}`)),
]
const files = readdirSync(new URL('.changeset', ROOT)).filter((file) => file.endsWith('.md'))

it.each(files)('changeset %s names packages of the workspace, and says what changed', (file) => {
  const text = readFileSync(new URL(`.changeset/${file}`, ROOT), 'utf8')
  const [, head, body] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(text) ?? []
  expect(head, 'front matter').toBeDefined()
  for (const line of (head as string).split('\n')) {
    const [, name] = /^"([^"]+)": (?:major|minor|patch)$/.exec(line) ?? []
    expect(names, line).toContain(name)
  }
  expect(body?.trim().length).toBeGreaterThan(20)
})
