import type { GuestDevice } from '../result.ts'

/** What an I/O self-test came to. */
export interface IoOutcome {
  readonly ok: boolean
  /** It completed, but with other data than it should have. */
  readonly wrongData: boolean
  /** The machine went idle with requests still out. */
  readonly hung: boolean
  readonly detail: string
  /** False where the device gave nothing to test. */
  readonly attempted: boolean
  /** Requests that waited for an interrupt that never came. */
  readonly lost: number
  /** Of a hung test: the device was through with it, and only the interrupt is missing. */
  readonly finished?: true
  /** It hung because nothing could be mapped for it: the device was asked for nothing. */
  readonly unmapped?: true
}

/** A driver that has taken its device. */
export interface BoundDriver {
  readonly ioKind: GuestDevice['io']['kind']
  /** What the probe waits for, for ever; left out where the probe came to its end. */
  readonly stuck?: string
  /** Moves data through the device and looks whether it arrived. Completes by interrupts alone. */
  selfTest(): IoOutcome
}

export const passed = (detail: string): IoOutcome => ({
  ok: true,
  wrongData: false,
  hung: false,
  attempted: true,
  lost: 0,
  detail,
})

/** The device said no, or could not be asked. */
export const failed = (detail: string): IoOutcome => ({ ...passed(detail), ok: false })

export const wrong = (detail: string): IoOutcome => ({ ...failed(detail), wrongData: true })

export const hung = (lost: number, detail: string, finished = false): IoOutcome => ({
  ...failed(detail),
  hung: true,
  lost,
  ...(finished && { finished }),
})

/** A driver that tries again and again to map a request, as Linux's block layer does where it takes memory for short. */
export const unmapped = (detail: string): IoOutcome => ({ ...hung(0, detail), unmapped: true })

export const notAttempted = (detail: string): IoOutcome => ({ ...failed(detail), attempted: false })
