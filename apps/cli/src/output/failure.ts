import { DmascopeError } from '@dmascope/layout'

/** What a person is told of an error: what is wrong and where, its code, and with `verbose` the stack. */
export function describeFailure(error: unknown, verbose: boolean): string {
  if (error instanceof DmascopeError) {
    const stack = verbose && error.stack !== undefined ? `\n${error.stack}` : ''
    return `dmascope: error: ${error.message}\n  [${error.code}]${stack}`
  }
  const known = error instanceof Error
  const text = known ? error.message : String(error)
  const advice = verbose ? '' : '\n  This is a fault of dmascope; --verbose shows where it happened.'
  return `dmascope: internal error: ${text}${verbose && known ? `\n${error.stack}` : advice}`
}

/** Node's error of a file operation, as a person reads it. */
export function fileError(error: unknown, path: string, doing: string): DmascopeError {
  const code = (error as NodeJS.ErrnoException).code
  const reason: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or folder',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    EEXIST: 'there is a file of that name',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space is left',
    ENOTDIR: 'a part of the path is no folder',
  }
  const why = (code !== undefined && reason[code]) || String((error as Error).message)
  return new DmascopeError('CLI_FILE', `cannot ${doing} ${path}: ${why}`, { path, code })
}
