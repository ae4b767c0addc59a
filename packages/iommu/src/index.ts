export type { Fault, Msi, RequesterId, Translation, Translator } from './translator.ts'
export { NO_PASID } from './translator.ts'
