import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ASSIGNMENT_RULES, DEVICE_RULES, MACHINE_RULES } from '../src/index.ts'

const PAGES = new URL('../../../docs/findings/', import.meta.url)
const rules = [...MACHINE_RULES, ...DEVICE_RULES, ...ASSIGNMENT_RULES]

describe('findings', () => {
  it('have stable IDs, each once', () => {
    const ids = rules.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^DMA-\d{4}$/)
  })

  it.each(rules.map((rule) => [rule.id, rule] as const))('%s has a page with its title and level', (id, rule) => {
    const page = new URL(`${id}.md`, PAGES)
    expect(existsSync(page)).toBe(true)
    const text = readFileSync(page, 'utf8')
    expect(text).toContain(`# ${id}: ${rule.title}\n`)
    expect(text).toContain(`Level: ${rule.level}\n`)
    expect(text).toMatch(/## What it means[\s\S]+## How it is seen[\s\S]+## What to do/)
  })
})
