/** Exit statuses: done, `--fail-on` was met, bad usage or bad input, stopped by Ctrl-C. */
export const DONE = 0
export const FAILED_ON = 1
export const BAD_INPUT = 2
export const INTERRUPTED = 130
