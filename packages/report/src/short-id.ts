/** A function's address for a reader, without the segment where that is 0: `00:03.0`. */
export const shortId = (id: string): string => id.replace(/^0000:/, '')
