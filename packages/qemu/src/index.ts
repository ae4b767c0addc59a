export { DEFAULT_MEMORY } from './machine-size.ts'
export { IGNORED_OPTIONS } from './option-table.ts'
export type { CommandLineOptions } from './parse-command-line.ts'
export { parseQemuCommandLine } from './parse-command-line.ts'
