export { SUN4U_FAULTS } from './faults.ts'
export type { SeenFault, Sun4uFeatures, Sun4uOptions } from './options.ts'
export { Sun4uUnit } from './sun4u-unit.ts'
