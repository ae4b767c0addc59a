import { serveCells } from '@dmascope/scenarios/workers'

/** Boots cells for the thread that started this one, until that ends it. In a process of its own it does nothing. */
export async function serve(): Promise<void> {
  if (serveCells()) await new Promise(() => {})
}
