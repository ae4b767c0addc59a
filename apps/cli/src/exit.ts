/** Exit statuses: done, `--fail-on` was met, bad usage or bad input. */
export const DONE = 0
export const FAILED_ON = 1
export const BAD_INPUT = 2
