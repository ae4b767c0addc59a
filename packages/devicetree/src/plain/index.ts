export type { PlainLayout, PlainNode, PlainProperty, PlainTree } from './plain-tree.ts'
export { plainTree } from './read-plain.ts'
export { buildPlainTree } from './write-plain.ts'
