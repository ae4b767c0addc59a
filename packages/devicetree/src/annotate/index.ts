export { annotateDtb } from './annotate-dtb.ts'
