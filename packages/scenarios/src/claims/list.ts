import type { Claim } from './claim.ts'
import { HELLWIG_2018, WHAT_CAME } from './hellwig-2018.ts'
import { HELLWIG_2018_COHERENCY } from './hellwig-2018-coherency.ts'
import { HELLWIG_JUNE_2018 } from './hellwig-june-2018.ts'
import { HERRENSCHMIDT_2015 } from './herrenschmidt-2015.ts'
import { LUTOMIRSKI_2015 } from './lutomirski-2015.ts'
import { LUTOMIRSKI_2015_XEN } from './lutomirski-2015-xen.ts'
import { ONWARD_ASSIGNMENT } from './onward-assignment.ts'
import { WHAT_CAME_OF_IT } from './what-came.ts'
import { WOODHOUSE_2015 } from './woodhouse-2015.ts'
import { WOODHOUSE_2015_HARDWARE } from './woodhouse-2015-hardware.ts'

/** Every claim that is run, by number. */
export const CLAIMS: readonly Claim[] = [
  ...HERRENSCHMIDT_2015,
  ...LUTOMIRSKI_2015,
  ...LUTOMIRSKI_2015_XEN,
  ...WOODHOUSE_2015,
  ...WOODHOUSE_2015_HARDWARE,
  ...ONWARD_ASSIGNMENT,
  ...HELLWIG_JUNE_2018,
  ...HELLWIG_2018_COHERENCY,
  ...HELLWIG_2018,
  ...WHAT_CAME,
  ...WHAT_CAME_OF_IT,
].sort((a, b) => a.number - b.number)
