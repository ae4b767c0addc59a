export { DDW_CALLS, IO_PAGE_SHIFTS, IO_PAGE_SIZES, RTAS_STATUS } from './ddw.ts'
export { HCALL, HCALL_RETURN, MOST_INDIRECT_TCES } from './hcalls.ts'
export { TCE } from './tce.ts'
