import { z } from 'zod'
import { MEMORY_SYSTEMS } from '../description.ts'

/** A scalar as YAML or JSON has it; `on` and `off` are text in YAML 1.2, and taken as QEMU takes them. */
const scalar = z.union([z.string(), z.number(), z.boolean()])

const sizeText = z
  .union([z.string(), z.number().nonnegative()])
  .describe('Bytes with a suffix (512M, 2G); a number without one counts MiB')

const identifier = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9._-]*$/)
  .describe('Letters, digits, - . _, starting with a letter')

const backend = z
  .strictObject({
    where: z
      .enum(['qemu', 'vhost', 'vhost-user'])
      .optional()
      .describe("Who does the device's work: the VMM, the host's kernel, or another process"),
    size: sizeText.optional().describe('Of a disk, in bytes with a suffix; 8 MiB where left out'),
    readOnly: z.boolean().optional().describe('Of a disk'),
  })
  .describe('What stands behind the device; a plain one where left out')

const device = z
  .object({
    model: z.string().describe("QEMU's name of the device model, as -device takes it: virtio-blk-pci"),
    id: identifier.optional(),
    bus: z
      .string()
      .optional()
      .describe('The bus that it is plugged into: the id of a bridge; the root bus where left out'),
    addr: z
      .union([z.string(), z.number()])
      .optional()
      .describe('slot[.function], both hexadecimal: 2, 1f.2; the lowest free slot where left out'),
    backend: backend.optional(),
  })
  .catchall(scalar)
  .describe("A device; every other key is one of the model's properties, under QEMU's name")

const segment = z
  .strictObject({
    segment: z.number().int().min(1).max(0xfff).describe('Its number, as ACPI has it in _SEG'),
    bus: identifier
      .optional()
      .describe('Name of its root bus, for devices to be plugged into; segment<number>.0 where left out'),
    iommu: z
      .boolean()
      .optional()
      .describe(
        "Whether an IOMMU of its own stands above it, like the machine's; true where left out and the machine has one",
      ),
  })
  .describe('A PCI segment: a host bridge with buses from 0 on of its own')

const addressText = z.union([z.string(), z.number().nonnegative()])

const inboundBus = z
  .strictObject({
    windows: z
      .array(
        z.strictObject({
          bus: addressText.describe('The first bus address'),
          memory: addressText.describe('The address that it has above: in memory, or on the next bus'),
          size: addressText.describe('Bytes, or with a suffix: 512M'),
        }),
      )
      .min(1),
  })
  .describe('A bus, and the windows that it has for devices')

const firmwareRegion = z
  .strictObject({
    device: identifier.describe('The id of the device whose requests go there'),
    size: z
      .union([z.string(), z.number().nonnegative()])
      .optional()
      .describe('Bytes, or with a suffix (64K); 4K where left out'),
  })
  .describe('Memory that the IOMMU’s table wants mapped onto itself for a device, which uses it')

const tableEdit = z
  .strictObject({
    table: z
      .string()
      .regex(/^[A-Z0-9_!]{4}$/)
      .describe('Its signature: DMAR'),
    index: z
      .number()
      .int()
      .min(0)
      .max(255)
      .optional()
      .describe('Which of several with that signature; 0 where left out'),
    file: z.string().min(1).optional().describe('The whole table instead, from a file beside this one'),
    offset: z.number().int().min(0).max(0xf_ffff).optional().describe('Byte of the table that the bytes go to'),
    bytes: z
      .union([z.string(), z.number()])
      .optional()
      .describe('In hexadecimal, in the order in which they lie in memory: "00 10 d9 fe"'),
    checksum: z
      .enum(['mend', 'keep'])
      .optional()
      .describe(
        'Whether the checksum is computed over what the table then is, or left as it was; a table from a file keeps its own where left out',
      ),
  })
  .describe('A change to an ACPI table, byte for byte')

/** The schema of a machine file. Properties of devices are held against the catalogue of models afterwards. */
export const MACHINE_FILE = z
  .strictObject({
    $schema: z.string().optional().describe('For editors; ignored'),
    name: z.string().min(1).optional().describe("The machine's name in the report"),
    machine: z
      .enum([
        'q35',
        'pc',
        'microvm',
        'virt',
        'pseries',
        'powernv9',
        'ppce500',
        'mac99',
        'sun4u',
        's390-ccw-virtio',
        'bcm3384',
      ])
      .describe("QEMU's machine type; or bcm3384, which QEMU does not have"),
    qemuVersion: z
      .union([z.enum(['7.2', '11.1']), z.literal(7.2), z.literal(11.1)])
      .optional()
      .describe('The QEMU release whose devices and defaults hold'),
    hypervisor: z
      .string()
      .optional()
      .describe('Whose rules virtio devices and tables follow, e.g. qemu-2.4 (see: dmascope hypervisors)'),
    memory: sizeText.optional(),
    maxMemory: sizeText.optional().describe('Memory with all that may be plugged in later'),
    cpus: z.number().int().min(1).max(4096).optional(),
    maxCpus: z.number().int().min(1).max(4096).optional().describe('cpus with all that may be plugged in later'),
    numaNodes: z
      .array(z.number().int().min(0).max(127))
      .optional()
      .describe('Numbers of the NUMA nodes, as -numa node,nodeid= gives them; expanders name one by numa_node'),
    topology: z
      .strictObject({
        sockets: z.number().int().min(1).max(512),
        dies: z.number().int().min(1).max(512).optional(),
        clusters: z.number().int().min(1).max(512).optional(),
        modules: z.number().int().min(1).max(512).optional(),
        cores: z.number().int().min(1).max(512),
        threads: z.number().int().min(1).max(512),
      })
      .optional()
      .describe('How processors hang together; the product is maxCpus, or cpus'),
    cpu: z.string().optional().describe('The processor model, as -cpu takes it: power9. On a PC it bears on nothing'),
    defaultDevices: z
      .boolean()
      .optional()
      .describe("Whether QEMU's default display and network card are there; false where left out"),
    machineProperties: z
      .record(z.string(), scalar)
      .optional()
      .describe("Properties of -machine that bear on DMA or interrupts, under QEMU's names: kernel-irqchip: split"),
    hostBridge: z
      .record(z.string(), scalar)
      .optional()
      .describe(
        "Of a pseries: properties of its own PCI host bridge (spapr-pci-host-bridge), under QEMU's names: ddw: off",
      ),
    segments: z
      .array(segment)
      .optional()
      .describe('Of a q35: PCI segments beside segment 0, each with a host bridge. QEMU has no such machine'),
    inbound: z
      .array(inboundBus)
      .optional()
      .describe(
        "Of a virt without IOMMU and firmware: where devices of the PCI host bridge see memory. First the bridge's windows, then those of the bus that it is on, and so on. Of a bcm3384: the windows of its one bus, in place of its own. QEMU has no such machine",
      ),
    memorySystem: z
      .enum(MEMORY_SYSTEMS)
      .optional()
      .describe(
        'Of a virt without IOMMU, ITS and firmware: what stands between processor and RAM. noncoherent: a data cache that DMA does not look into. physical-cache: the same, and devices emulated through it. virtual-cache: one that knows memory by virtual addresses, of which guest and host have different ones; virtual-cache-flushed: by a host that takes care. write-buffer: writes that arrive late unless a register is read. QEMU has none of them',
      ),
    restrictedPool: sizeText
      .optional()
      .describe(
        'Of a virt without IOMMU, firmware and memorySystem: the only memory that devices reach; the device tree names it (restricted-dma-pool), and a filter keeps them out of all else. QEMU has no such machine',
      ),
    firmwareRegions: z
      .array(firmwareRegion)
      .optional()
      .describe(
        'Of a q35 or pc with an IOMMU: memory that agents of the firmware go on using in devices, and that its tables name (RMRR, IVMD). QEMU has none',
      ),
    externalPorts: z
      .array(identifier)
      .optional()
      .describe(
        'Of a q35: the ids of root ports that firmware calls external-facing (ExternalFacingPort), so that what is plugged into them is not trusted. Nothing of QEMU’s',
      ),
    launch: z
      .enum(['tboot'])
      .optional()
      .describe(
        'What starts the kernel, of a q35 with intel-iommu: tboot, by which Intel TXT keeps devices out of memory until the kernel lets them in. QEMU has no TXT',
      ),
    tables: z
      .array(tableEdit)
      .max(256)
      .optional()
      .describe('Changes to the ACPI tables that the machine would else have, in this order. Nothing of QEMU’s'),
    xen: z
      .strictObject({
        memory: sizeText.optional().describe('What the guest gets; five eighths of the memory where left out'),
        piece: z
          .union([z.string(), z.number().nonnegative()])
          .optional()
          .describe('Memory in a row that goes to one owner: a power of two from 4K to 4M; 16K where left out'),
      })
      .optional()
      .describe(
        'Of a q35 or pc without IOMMU: Xen runs on it, and the guest is its first domain, whose addresses are not the machine’s. Nothing of QEMU’s',
      ),
    virtioTransports: z
      .record(z.string(), scalar)
      .optional()
      .describe(
        "Of a virt, microvm or bcm3384: properties of its own virtio-mmio transports, under QEMU's names: force-legacy: off",
      ),
    append: z.string().optional().describe("The guest's kernel command line"),
    guest: z.string().optional().describe('The guest profile to boot, e.g. linux-6.12'),
    devices: z.array(device).optional().describe('In the order in which they are created'),
  })
  .describe('A machine of dmascope')

/** What a machine file says, its shape checked. */
export type MachineFileContent = z.infer<typeof MACHINE_FILE>
export type DeviceContent = NonNullable<MachineFileContent['devices']>[number]

/** The JSON Schema (draft 2020-12) of a machine file, for publishing and for editors. A fresh object each time. */
export const machineFileSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(MACHINE_FILE, { target: 'draft-2020-12' }),
  title: 'dmascope machine file',
})
