import { serveCells } from './serve-cells.ts'

serveCells()
