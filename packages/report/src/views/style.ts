/** How a view marks text: colours on a terminal, nothing elsewhere. Each takes and gives back one line's part. */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly good: (text: string) => string
  readonly warn: (text: string) => string
  readonly bad: (text: string) => string
}

const same = (text: string): string => text

export const PLAIN: Style = { bold: same, dim: same, good: same, warn: same, bad: same }
