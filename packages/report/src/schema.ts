import { z } from 'zod'
import { assignmentSchema } from './assignment-schema.ts'

const count = z.int().min(0)
const hex = z.string().regex(/^0x[0-9a-f]+$/)
const bits = z.array(z.int().min(0).max(63)).describe('Numbers of feature bits, ascending.')
const domain = z.enum(['dma', 'dma-fq', 'identity', 'blocked', 'unknown', 'none'])

const iommu = z.strictObject({
  id: z.string(),
  kind: z.enum(['vtd', 'amdvi', 'virtio-iommu', 'smmuv3', 'tce', 'ioda', 'sun4u', 'dart']),
  mode: z.enum(['scalable']).exactOptional().describe('How the guest runs it, where there is a choice.'),
  base: hex.nullable(),
  addressWidth: z.int(),
  exposed: z.boolean(),
  enabled: z.boolean(),
  interruptRemapping: z.boolean(),
  default: z.enum(['dma', 'dma-fq', 'identity', 'none']),
})

const fault = z.strictObject({
  address: hex,
  reason: z.int(),
  text: z.string(),
  phase: z.enum(['firmware', 'probe', 'self-test', 'assigned']),
})

const stray = z.strictObject({
  kind: z.enum(['read', 'write']),
  busAddress: hex,
  physical: hex.nullable().describe('Null where the bus has no such address.'),
  length: z.int(),
  landed: z.enum(['ram', 'rom', 'mmio', 'hole']),
  owner: z.string().exactOptional().describe('Whose the memory is, where a hypervisor has dealt it out.'),
  takenBack: z.boolean().exactOptional().describe('The memory had been the device’s, and was taken back lately.'),
  count,
  before: z.string().exactOptional(),
  after: z.string().exactOptional(),
})

const device = z.strictObject({
  id: z
    .string()
    .regex(/^([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|[0-9a-f]+\.[\w,.+-]+|[0-9A-Z]{7,8}:[0-9a-f]{2,})$/)
    .describe('An address on PCI, or the name of a device on no bus.'),
  name: z.string().nullable(),
  kind: z.string(),
  vendor: z.string().regex(/^([0-9a-f]{4}){1,2}$/),
  device: z.string().regex(/^[0-9a-f]{4}$/),
  driver: z.string().nullable(),
  sriov: z
    .strictObject({ totalVfs: z.int().min(1), firstVfOffset: z.int().min(1), vfStride: count })
    .exactOptional()
    .describe('How many virtual functions the device can have, and where, by routing ID from its own.'),
  physicalFunction: z.string().exactOptional().describe('Of a virtual function: the device that it is one of.'),
  firmware: z.strictObject({ covered: z.boolean(), by: z.string().nullable() }),
  guest: z.strictObject({
    iommuGroup: z.int().nullable(),
    domain,
    dmaPath: z.enum(['physical', 'direct', 'iommu', 'swiotlb', 'xen']).nullable(),
    windowsBy: z
      .string()
      .exactOptional()
      .describe('What says that its bus sees memory at other addresses than the processor.'),
  }),
  virtio: z.strictObject({ offered: bits, negotiated: bits, accessPlatform: z.boolean(), status: hex }).exactOptional(),
  wiring: z.strictObject({ behindIommu: z.boolean() }),
  interrupt: z.strictObject({
    mode: z.enum(['msix', 'msi', 'intx', 'wire', 'adapter', 'subchannel', 'none']),
    remapped: z.boolean(),
    delivered: count,
    lost: count,
  }),
  dma: z.strictObject({
    translated: count,
    untranslated: count,
    faulted: count,
    stray: count,
    other: z.strictObject({ firmware: count, probe: count, msi: count }),
  }),
  io: z.strictObject({
    kind: z.enum(['blk', 'net', 'rng', 'console', 'balloon', 'synthetic', 'none']),
    attempted: z.boolean(),
    ok: z.boolean(),
    detail: z.string(),
  }),
  resident: z
    .strictObject({ start: hex, end: hex, turns: count, refused: count, refusedAssigned: count })
    .exactOptional()
    .describe('What firmware left running in it, and how often it was kept from its memory.'),
  staleReads: z
    .array(
      z.strictObject({
        reader: z.enum(['device', 'processor']),
        between: z.enum(['cache', 'mapping', 'buffer']),
        address: hex,
        got: z.string(),
        newest: z.string(),
        count: z.int().min(1),
      }),
    )
    .exactOptional()
    .describe('Reads that were out of date: its own, and the processor’s of what it wrote.'),
  status: z.enum(['translated', 'passthrough', 'blocked', 'none']),
  passthrough: z
    .enum(['no-iommu', 'iommu-disabled', 'iommu-inert', 'not-covered', 'device-bypass', 'identity', 'unattached'])
    .nullable(),
  verdict: z.enum(['works', 'refused', 'faults', 'hangs', 'corrupts', 'untested']),
  firmwareTruth: z.enum(['honest', 'claims-covered', 'claims-bypass', 'silent']),
  faults: z.array(fault),
  strays: z.array(stray),
  why: z.array(z.strictObject({ fact: z.string(), source: z.string(), bytes: z.string().exactOptional() })),
  findings: z.array(z.string()),
})

/** The report's schema, for checking one that comes from elsewhere. What it accepts is a `Report`. */
export const reportSchema = z.strictObject({
  schemaVersion: z.literal(1),
  tool: z.strictObject({ name: z.literal('dmascope'), version: z.string() }),
  machine: z.strictObject({
    name: z.string(),
    type: z.string(),
    arch: z.enum(['x86_64', 'aarch64', 'ppc', 'ppc64', 'sparc64', 'mipsel', 's390x']),
    qemuVersion: z.string(),
    hypervisor: z.string().exactOptional(),
    source: z.enum(['preset', 'file', 'qemu', 'host']),
    commandLine: z.string(),
    ignored: z.array(z.string()),
    addedSegments: z
      .array(z.int().min(1))
      .exactOptional()
      .describe('PCI segments beside segment 0 of a machine that has them in no QEMU.'),
    addedWindows: z
      .int()
      .min(1)
      .exactOptional()
      .describe('Windows through which its host bridge sees memory, which no QEMU has.'),
  }),
  guest: z.strictObject({ profile: z.string(), booted: z.boolean(), halted: z.string().exactOptional() }),
  iommus: z.array(iommu),
  devices: z.array(device),
  unseen: z.array(z.strictObject({ id: z.string(), model: z.string() })),
  virtualFunctions: z
    .array(z.strictObject({ device: z.string(), requested: count, enabled: count, refused: z.string().nullable() }))
    .exactOptional()
    .describe('What came of each number of virtual functions that was asked for.'),
  assignments: z.array(assignmentSchema).exactOptional().describe('Devices given to users’ programs by VFIO.'),
  findings: z.array(
    z.strictObject({
      id: z.string().regex(/^DMA-\d{4}$/),
      level: z.enum(['error', 'warning', 'note']),
      device: z.string().nullable(),
      message: z.string(),
      fix: z.string().nullable(),
    }),
  ),
  timeline: z.array(z.strictObject({ step: z.int().min(1), event: z.string() })),
})

/** JSON Schema (draft 2020-12) of the report. */
export function reportJsonSchema(): object {
  return z.toJSONSchema(reportSchema, { io: 'output' })
}
