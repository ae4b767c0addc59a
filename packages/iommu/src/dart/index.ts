export { DartUnit } from './dart-unit.ts'
export { DART_FAULTS } from './faults.ts'
export type { DartOptions, SeenFault } from './options.ts'
