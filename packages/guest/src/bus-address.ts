/** A bus address for people, without leading zeros. */
export const busAddress = ({ hi, lo }: { readonly hi: number; readonly lo: number }): string =>
  hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}${lo.toString(16).padStart(8, '0')}`
