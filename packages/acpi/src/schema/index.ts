export { anyTableSchema, KNOWN_SIGNATURES, tableSchema } from './table-schema.ts'
