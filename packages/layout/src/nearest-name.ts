/** Edits (insert, delete, replace, swap of neighbours) that turn `from` into `to`, or `limit + 1` where it takes more. */
function editDistance(from: string, to: string, limit = 8): number {
  if (Math.abs(from.length - to.length) > limit) return limit + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    let smallest = row
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        edits = Math.min(edits, beforeLast[column - 2]! + 1)
      }
      current.push(edits)
      if (edits < smallest) smallest = edits
    }
    if (smallest > limit) return limit + 1
    beforeLast = last
    last = current
  }
  return Math.min(last[to.length]!, limit + 1)
}

/**
 * The candidate that a person most likely meant, or null where none is near: at most a third of the letters differ
 * (`-` and `_` count as one letter, capitals as small ones), or one name begins with the other.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  const plain = (text: string): string => text.toLowerCase().replaceAll('_', '-')
  const wanted = plain(name.slice(0, 80))
  if (wanted.length === 0) return null
  let best: string | null = null
  let bestScore = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const other = plain(candidate)
    const limit = Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3))
    const distance = editDistance(wanted, other, limit)
    const extends_ = wanted.length >= 3 && other.length >= 3 && (other.startsWith(wanted) || wanted.startsWith(other))
    if (distance > limit && !extends_) continue
    const score = distance > limit ? limit + Math.abs(other.length - wanted.length) / 100 : distance
    if (score < bestScore) {
      best = candidate
      bestScore = score
    }
  }
  return best
}
