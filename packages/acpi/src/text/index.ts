export { TABLE_NAMES } from '../spec/signatures.ts'
export { findTables, isRawTable, textOf } from './find-tables.ts'
export type { FoundTable, TextProblem } from './found-table.ts'
