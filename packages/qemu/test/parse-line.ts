import { createMachine, DmascopeError, type MachineDescription, type QemuVersion } from '@dmascope/machine'
import { parseQemuCommandLine } from '../src/index.ts'

/** Splits at blanks, as a shell does where nothing is quoted. */
export const words = (line: string): string[] => line.trim().split(/\s+/)

export const parseLine = (line: string, qemuVersion: QemuVersion = '11.1'): MachineDescription =>
  parseQemuCommandLine(words(line), { qemuVersion })

/** Why the arguments cannot be read: code and message. */
export function refusalOf(args: readonly string[], qemuVersion: QemuVersion = '11.1'): string {
  try {
    parseQemuCommandLine(args, { qemuVersion })
  } catch (error) {
    if (error instanceof DmascopeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing thrown'
}

/** Why no machine comes of a line, code and message; `accepted` where one does. */
export function refusalOfMachine(line: string, qemuVersion: QemuVersion = '11.1'): string {
  try {
    createMachine(parseLine(line, qemuVersion)).machine.dispose()
  } catch (error) {
    return `${(error as DmascopeError).code}: ${(error as Error).message}`
  }
  return 'accepted'
}
