export { IODA_FAULTS } from './faults.ts'
export { IodaUnit } from './ioda-unit.ts'
export type { IodaFeatures, IodaOptions, SeenFault } from './options.ts'
