export type { InterruptLine, OutputSize, SeenFault, SmmuV3Features, SmmuV3Options, SmmuV3Wiring } from './options.ts'
export { identificationOf, TRANSACTION_ABORTED } from './options.ts'
export { smmuv3OptionsFor } from './qemu.ts'
export { SmmuV3Unit } from './smmuv3-unit.ts'
