import { readdirSync, readFileSync } from 'node:fs'
import { formatDts, parseDtb } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import type { QemuVersion } from '@dmascope/machine'
import { parseQemuCommandLine } from '@dmascope/qemu'
import { describe, expect, it } from 'vitest'
import { type BootOutcome, runBoot } from '../src/boot/run-boot.ts'

/** What a real Linux guest on a real QEMU reported for a command line. */
interface TruthCase {
  readonly qemu: QemuVersion
  readonly guest: string
  readonly arguments: readonly string[]
  /** QEMU's words, where it refused to start. */
  readonly refused?: string
  readonly devices?: readonly {
    readonly id: string
    readonly vendor: string
    readonly device: string
    readonly iommuGroup: number | null
    readonly domain: string
    readonly negotiated?: readonly number[]
    readonly io?: boolean
    readonly status?: string
  }[]
  /** Base 64, as QEMU wrote it. */
  readonly deviceTree?: string
  /** Base 64, by signature, as the guest read them. */
  readonly tables?: Readonly<Record<string, string>>
}

const FOLDER = new URL('./truth/', import.meta.url)
const cases = readdirSync(FOLDER).map((file): [string, TruthCase] => [
  file.replace('.json', ''),
  JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as TruthCase,
])

const boot = (truth: TruthCase): BootOutcome =>
  runBoot({
    description: parseQemuCommandLine(truth.arguments, { qemuVersion: truth.qemu }),
    guest: truth.guest,
    tables: true,
  })

const byId = <Device extends { readonly id: string }>(devices: readonly Device[]): Device[] =>
  [...devices].sort((a, b) => (a.id < b.id ? -1 : 1))

/** Bytes that hold addresses of where firmware put things, or a checksum over those. */
const VARIABLE: Readonly<Record<string, readonly [first: number, length: number][]>> = {
  FACP: [
    [9, 1],
    [36, 8],
    [140, 8],
  ],
}

describe.each(cases.filter(([, truth]) => truth.devices !== undefined))('%s', (_name, truth) => {
  const { report, tables } = boot(truth)

  it('finds the devices that Linux found, with its groups and domains', () => {
    // The order says where they are, which differs from when the kernel came to them.
    expect(
      byId(report.devices).map(({ id, vendor, device, guest }) => ({
        id,
        vendor,
        device,
        iommuGroup: guest.iommuGroup,
        domain: guest.domain,
      })),
    ).toEqual(
      byId(truth.devices ?? []).map(({ id, vendor, device, iommuGroup, domain }) => ({
        id,
        vendor,
        device,
        iommuGroup,
        domain,
      })),
    )
  })

  it('negotiates what Linux negotiated', () => {
    for (const { id, negotiated } of truth.devices ?? []) {
      if (negotiated === undefined) continue
      expect(report.devices.find((one) => one.id === id)?.virtio?.negotiated, id).toEqual(negotiated)
    }
  })

  it('sees the DMA that QEMU’s own IOMMU saw, and the I/O that worked', () => {
    for (const { id, io, status } of truth.devices ?? []) {
      const ours = report.devices.find((one) => one.id === id)
      if (io !== undefined) expect(ours?.io.ok, id).toBe(io)
      if (status !== undefined) expect(ours?.status, id).toBe(status)
    }
  })

  it('loads the tables that QEMU wrote, but for addresses', () => {
    for (const [name, text] of Object.entries(truth.tables ?? {})) {
      const theirs = Uint8Array.from(Buffer.from(text, 'base64'))
      const ours = Uint8Array.from(tables.get(name) ?? [])
      for (const table of [theirs, ours]) {
        for (const [first, length] of VARIABLE[name] ?? []) table.fill(0, first, first + length)
      }
      expect(ours, name).toEqual(theirs)
    }
  })
})

/** Random numbers, and what tells of the initial RAM disk that a simulated guest has not. */
const OF_ONE_START = ['kaslr-seed', 'rng-seed', 'linux,initrd-start', 'linux,initrd-end']

describe.each(cases.filter(([, truth]) => truth.deviceTree !== undefined))('%s', (_name, truth) => {
  it('gives the kernel the device tree that QEMU wrote, but for seeds', () => {
    const [theirs, ours] = [Buffer.from(truth.deviceTree ?? '', 'base64'), boot(truth).tables.get('machine.dtb')].map(
      (blob) => {
        const tree = parseDtb(Uint8Array.from(blob ?? []))
        for (const name of OF_ONE_START) tree.root.child('chosen')?.remove(name)
        return formatDts(tree)
      },
    )
    expect(ours).toBe(theirs)
  })
})

describe.each(cases.filter(([, truth]) => truth.refused !== undefined))('%s', (_name, truth) => {
  it('is refused for the cause that QEMU names', () => {
    const cause = truth.refused?.replace(/^.*?: -device [^ ]*: /, '').split(' Set ')[0] as string
    let message = ''
    try {
      boot(truth)
    } catch (error) {
      expect(error).toBeInstanceOf(DmascopeError)
      message = (error as DmascopeError).message
    }
    expect(message).toContain(cause)
  })
})
