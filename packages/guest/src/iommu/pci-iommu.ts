/** Addresses that an endpoint cannot be given, both ends in them. `msi`: where its interrupts go as they are. */
export interface EndpointRegion {
  readonly kind: 'msi' | 'reserved'
  readonly start: number
  readonly end: number
}

/** A fault that an IOMMU told of by an event. */
export interface EndpointFault {
  readonly endpoint: number
  /** Null where the event gives none. */
  readonly address: number | null
  readonly reason: number
  readonly access: 'read' | 'write' | 'unknown'
}

/**
 * An IOMMU that is itself a function on PCI and is asked by requests, once its driver has it running. Requests that
 * fail answer why.
 */
export interface RequestIommu {
  /** Its own function. */
  readonly function: { readonly id: string; readonly segment: number }
  /** As Linux names it: by its function. */
  readonly name: string
  /** Bytes of the smallest page. */
  readonly pageSize: number
  /** First address that it translates, and the one after the last; the latter is cut off at 2^52. */
  readonly inputStart: number
  readonly inputEnd: number
  readonly inputBits: number
  /** A domain can let its endpoints pass. */
  readonly bypassDomains: boolean
  /** A domain ID that is not in use; null where there is none. */
  takeDomain(): number | null
  /** What the endpoint's addresses are like; a text where it is refused. */
  probe(endpoint: number): readonly EndpointRegion[] | string
  /** Puts the endpoint into a domain, now. Null where that went well. */
  attach(domain: number, endpoint: number, bypass: boolean): string | null
  /**
   * Maps [start, start + length). `waits`: the request is answered before this returns; else that is for `sync`.
   *
   * @returns why not, where it was refused, or could not be sent
   */
  map(domain: number, start: number, physical: number, length: number, access: 1 | 2 | 3, waits: boolean): string | null
  /** Takes mappings back, once it is synchronized. */
  unmap(domain: number, start: number, length: number): void
  /** Lets all requests be answered that were sent. */
  sync(): void
  /** Faults that came since the last call. */
  takeFaults(): readonly EndpointFault[]
}
