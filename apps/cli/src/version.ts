declare const DMASCOPE_VERSION: string

/** The command's version; the bundler puts it in. */
export const VERSION: string = typeof DMASCOPE_VERSION === 'string' ? DMASCOPE_VERSION : '0.0.0'
