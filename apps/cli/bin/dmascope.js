#!/usr/bin/env node
import { existsSync } from 'node:fs'

const bundle = new URL('../dist/main.js', import.meta.url)
if (!existsSync(bundle)) {
  console.error('dmascope: error: not built yet; run: pnpm build')
  process.exit(2)
}
const { main } = await import(bundle)
await main(process.argv.slice(2))
