/** Memory is plugged in and out by blocks of this many bytes. */
export const MEMORY_BLOCK = 0x1000_0000
const ALIGNMENT = 0x4000_0000

/** Where memory may be plugged in, [base, end); null without `maxmem`. */
export function deviceMemory(
  memory: number,
  maxMemory: number,
): { readonly base: number; readonly end: number } | null {
  if (maxMemory <= memory) return null
  const base = Math.ceil(memory / ALIGNMENT) * ALIGNMENT
  return { base, end: base + maxMemory - memory }
}
