/** The argument with which this program makes itself a thread of a matrix. */
export const SERVE_CELLS = '--serve-cells'
