export { anyTableSchema, tableSchema } from './table-schema.ts'
