export { PortTlb } from './port-tlb.ts'
export type { Fault, Msi, RequesterId, Translation, Translator } from './translator.ts'
export { NO_PASID, UNSUPPORTED_REQUEST } from './translator.ts'
