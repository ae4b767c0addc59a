export {
  type AxisWords,
  cellsOf,
  compareCells,
  DEFAULT_AXES,
  type MatrixAxes,
  readAxes,
  splitWords,
} from './axes.ts'
export { type AxisListing, matrixAxes } from './axis-listing.ts'
export { type MatrixDocument, matrixDocument } from './document.ts'
export { mergeResults, type ResultSource } from './merge-results.ts'
export { formatResultLine, type ReadResults, readResults } from './result-lines.ts'
export { runMatrix } from './run-matrix.ts'
export { matrixDocumentSchema, matrixJsonSchema } from './schema.ts'
export { parseShard, type Shard, shardOf } from './shard.ts'
export { formatMatrixHtml } from './views/html.ts'
export { formatMatrixMarkdown } from './views/markdown.ts'
export { formatMatrix } from './views/text.ts'
