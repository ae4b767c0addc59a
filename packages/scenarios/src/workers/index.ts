export { runInWorkers, type WorkerOptions } from './run-in-workers.ts'
export { serveCells } from './serve-cells.ts'
