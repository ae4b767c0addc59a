/**
 * Whether a machine type, as `virt-6.1`, is of before a release. Null, and a type without a version, are the newest.
 */
export function isTypeBefore(type: unknown, [major, minor]: readonly [major: number, minor: number]): boolean {
  const match = /^virt-(\d+)\.(\d+)$/.exec(String(type ?? ''))
  if (match === null) return false
  const own = Number(match[1])
  return own < major || (own === major && Number(match[2]) < minor)
}
