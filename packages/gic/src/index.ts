export { GicV2, type GicV2Options } from './gic-v2.ts'
export { GicV2m } from './gic-v2m.ts'
export { GicV3, type GicV3Options } from './gic-v3.ts'
export { Its, type ItsDelivery } from './its.ts'
