/**
 * The arguments of each process to start, a suite each: the suites that the caller named, else all.
 *
 * @param argv - of the command line, without node and script
 */
export function suitesToRun(argv: readonly string[]): string[][]
