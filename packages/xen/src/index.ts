export type { ForeignMemory } from './foreign-memory.ts'
export {
  defaultDomainMemory,
  mostDomainMemory,
  refuseXen,
  SMALLEST_XEN_MEMORY,
  type StartedXen,
  startXen,
  type XenOptions,
} from './start-xen.ts'
