#!/usr/bin/env node
'use strict'
// Starts the bundle from V8's compiled code, where an earlier boot has left that: compiling it again would take longer
// than the boot itself.
const { accessSync, constants, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { Script } = require('node:vm')

const folder = join(__dirname, '../dist')
const filename = join(folder, 'main.cjs')
const cacheFile = `${filename}.${process.version}-${process.arch}.cache`

function read(file, encoding) {
  try {
    return readFileSync(file, encoding)
  } catch {
    return undefined
  }
}

/** Keeps what V8 has compiled by now. Where the folder cannot be written to, each start compiles. */
function keep(script) {
  try {
    accessSync(folder, constants.W_OK)
    const unfinished = `${cacheFile}.${process.pid}`
    writeFileSync(unfinished, script.createCachedData())
    renameSync(unfinished, cacheFile)
  } catch {
    // The next start is slower, no more.
  }
}

const source = read(filename, 'latin1')
if (source === undefined) {
  console.error('dmascope: error: not built yet; run: pnpm build')
  process.exit(2)
}
const cachedData = read(cacheFile)
const script = new Script(`(function (exports, require, module) {${source}\n})`, { filename, cachedData })
const bundle = { exports: {} }
script.runInThisContext()(bundle.exports, require, bundle)
const argv = process.argv.slice(2)
bundle.exports.main(argv).then(() => {
  if (cachedData === undefined && argv[0] === 'boot') keep(script)
  bundle.exports.leaveWhenWritten()
})
