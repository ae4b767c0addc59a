/** A file that fw_cfg offers: bytes, and zeros behind them up to its size. Nobody writes to the bytes. */
export interface FirmwareFile {
  readonly bytes: Uint8Array
  /** Bytes of the whole file, as many as `bytes` has or more. */
  readonly size: number
}

/** Files by name. */
export type FirmwareFiles = ReadonlyMap<string, FirmwareFile>

export const wholeFile = (bytes: Uint8Array): FirmwareFile => ({ bytes, size: bytes.length })
