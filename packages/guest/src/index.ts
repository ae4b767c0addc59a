export type { DomainType, Fact, GuestDevice, GuestIommu, GuestResult } from './result.ts'
