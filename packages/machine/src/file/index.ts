// An entry of its own: the YAML parser and the schema library are larger than the rest of the machine, and slow to load.
export type { MachineFile, MachineFileOptions } from './read-machine-file.ts'
export { readMachineFile } from './read-machine-file.ts'
export { machineFileSchema } from './schema.ts'
