// A module of its own, so that YAML and the schema library are loaded only where a machine file is read.
export { machineFileSchema, readMachineFile } from '@dmascope/machine/file'
