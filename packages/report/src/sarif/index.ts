export { bootSarif } from './boot-sarif.ts'
export { lintSarif } from './lint-sarif.ts'
export type { SarifLog } from './sarif-log.ts'
