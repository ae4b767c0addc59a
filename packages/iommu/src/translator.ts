import type { Access } from '@dmascope/memory'

/** Bus (8 bits), device (5), function (3), as a transaction carries it: `bus << 8 | device << 3 | function`. */
export type RequesterId = number

/** No PASID on the transaction. */
export const NO_PASID = -1

/** 0 is success; else the model's own fault code, which it has already recorded where the hardware records it. */
export type Fault = number

/** The request was answered as an Unsupported Request, which no IOMMU records as a fault. Above all fault codes. */
export const UNSUPPORTED_REQUEST = 0x100

/** A translated page. The caller owns it and passes it in again and again. */
export interface Translation {
  /** Output address of the byte that was asked for. */
  hi: number
  lo: number
  /** The page that holds it is 2^log2Size bytes and aligned; 64 means all of the address space (no translation). */
  log2Size: number
  /** Access bits that the whole page grants. */
  rights: number
  /** Index into `Translator.epochs`: the entry is good for as long as that word does not change. -1: do not keep it. */
  tag: number
  /** `bypass`: it entered the IOMMU and passed through, in pass-through or with translation off. */
  route: 'bypass' | 'translated'
}

/** A remapped interrupt. The caller owns it. */
export interface Msi {
  hi: number
  lo: number
  data: number
  /** Whether it went through an interrupt remapping table entry. */
  remapped: boolean
}

/** Every IOMMU, to the fabric that routes DMA and messages through it. Never throws for what a guest or device does. */
export interface Translator {
  translate(
    requester: RequesterId,
    pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault
  /** IOAPIC entries come as messages too, with the IOAPIC's own source ID. */
  remapInterrupt(source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault
  /** [tag]: changed by invalidation and eviction, never by a write to a table in memory. */
  readonly epochs: Uint32Array
}
