import { DeviceTree, type DtNode, RESTRICTED_DMA_POOL } from '@dmascope/devicetree'
import type { OpenRegion } from '../restricted/memory-filter.ts'
import { RAM_BASE, VIRT, VIRT_SPI, VIRTIO_TRANSPORTS } from './memory-map.ts'
import { interruptControllerNode } from './tree-interrupts.ts'
import { at, built, EDGE_RISING, LEVEL_HIGH, Phandles, reg64, SPI } from './tree-node.ts'
import { inPool, onBuses, pcieNode, smmuNode } from './tree-pcie.ts'
import { cpusNode, performanceMonitorNode, psciNode, timerNode } from './tree-processors.ts'
import { SECURE_ALIAS, secureChosenNode, secureFlashNodes, secureGpioNodes, secureNodes } from './tree-secure.ts'
import { isCoherent, type VirtFacts } from './virt-facts.ts'

/** The property that says so; whether devices are coherent changes what a tree says of each. */
type Coherent = readonly ['dma-coherent', true]

const CLOCK_HZ = 24_000_000
/** KEY_POWER. */
const POWER_KEY = 116
/** The line of the GPIO controller that is the power button. */
const POWER_LINE = 3

/**
 * The device tree of a `virt` machine, as QEMU writes it: the same nodes and properties in the same order, which is the
 * reverse of that in which they are made.
 *
 * DEVIATION: the seeds for the kernel's randomness are numbers that come out the same each time. The caches are those
 * of processors whose caches are known here; others have none.
 */
export function virtDeviceTree(facts: VirtFacts): DeviceTree {
  const { iommu, msi, acpi, secure, restrictedPool } = facts
  const phandles = new Phandles()
  const clock = phandles.take()
  const cpus = cpusNode(facts, phandles)
  const gic = phandles.take()
  const msiController = msi === 'none' ? null : phandles.take()
  const smmu = iommu.kind === 'smmuv3' ? { place: iommu.place, phandle: phandles.take() } : null
  const gpio = acpi ? null : phandles.take()
  const secureGpio = secure ? phandles.take() : null
  // QEMU makes the bindings of devices when it meets them, which is after all of the board.
  const virtioIommu = iommu.kind === 'virtio-iommu' ? phandles.take() : null
  const own = iommu.kind === 'smmuv3-devices' ? iommu.own : null
  const smmuDevice = own === null ? null : { place: own, phandle: phandles.take() }
  const pool = restrictedPool === null ? null : { place: restrictedPool, phandle: phandles.take() }
  const newer = facts.qemuVersion !== '7.2'
  const coherent: readonly Coherent[] = isCoherent(facts) ? [['dma-coherent', true]] : []

  const root = built(
    '',
    [
      ['compatible', 'linux,dummy-virt'],
      ['#address-cells', 2],
      ['#size-cells', 2],
      ['model', 'linux,dummy-virt'],
      ...(newer ? coherent : []),
      ['interrupt-parent', gic],
    ],
    [
      chosenNode(facts),
      ...(secure ? [secureChosenNode(facts.randomness ? seeds() : [])] : []),
      ...(newer ? [aliasesNode(secure)] : []),
      clockNode(clock),
      timerNode(facts),
      cpus,
      ...(secure ? secureFlashNodes() : [flashNode()]),
      interruptControllerNode(facts, gic, msiController),
      performanceMonitorNode(facts),
      uartNode(clock),
      ...(secure ? secureNodes(newer, clock) : []),
      clockDeviceNode(clock),
      onBuses(
        pcieNode(facts, {
          gic,
          msi: msiController,
          iommu: (smmu ?? smmuDevice)?.phandle ?? virtioIommu,
          pool: pool?.phandle ?? null,
        }),
        facts,
      ),
      ...(smmu === null ? [] : [smmuNode(smmu.place, smmu.phandle)]),
      ...(gpio === null ? [] : [gpioNode(clock, gpio), powerKeyNode(gpio)]),
      ...(secureGpio === null ? [] : secureGpioNodes(clock, secureGpio)),
      ...Array.from({ length: VIRTIO_TRANSPORTS }, (_, index) =>
        virtioNode(VIRTIO_TRANSPORTS - 1 - index, [...coherent, ...inPool(pool?.phandle ?? null)]),
      ),
      fwCfgNode(coherent),
      ...(facts.memorySystem === 'write-buffer' ? [writeBufferNode()] : []),
      ...(smmuDevice === null ? [] : [smmuNode(smmuDevice.place, smmuDevice.phandle)]),
      platformBusNode(gic),
      memoryNode(facts.memory),
      ...(pool === null ? [] : [reservedMemoryNode(pool.place, pool.phandle)]),
      psciNode(facts),
    ],
  )
  return new DeviceTree(root)
}

const aliasesNode = (secure: boolean): DtNode =>
  built('aliases', [['serial0', `/${at('pl011', VIRT.uart)}`], ...(secure ? [SECURE_ALIAS] : [])])

/** Any numbers do: kernels mix them into their own. */
function seeds(): readonly (readonly [string, number[]])[] {
  const words = Array.from({ length: 10 }, (_, index) => Math.imul(index + 1, 0x9e37_79b1) >>> 0)
  return [
    ['kaslr-seed', words.slice(0, 2)],
    ['rng-seed', words.slice(2)],
  ]
}

const chosenNode = ({ commandLine, randomness }: VirtFacts): DtNode =>
  built('chosen', [
    ...(randomness ? seeds() : []),
    ['stdout-path', `/${at('pl011', VIRT.uart)}`],
    ...(commandLine === '' ? [] : [['bootargs', commandLine] as const]),
  ])

const clockNode = (phandle: number): DtNode =>
  built('apb-pclk', [
    ['compatible', 'fixed-clock'],
    ['#clock-cells', 0],
    ['clock-frequency', CLOCK_HZ],
    ['clock-output-names', 'clk24mhz'],
    ['phandle', phandle],
  ])

const flashNode = (): DtNode => {
  const half = VIRT.flash.size / 2
  return built(at('flash', VIRT.flash), [
    ['compatible', 'cfi-flash'],
    ['reg', reg64({ base: 0, size: half }, { base: half, size: half })],
    ['bank-width', 4],
  ])
}

const uartNode = (clock: number): DtNode =>
  built(at('pl011', VIRT.uart), [
    ['compatible', ['arm,pl011', 'arm,primecell']],
    ['reg', reg64(VIRT.uart)],
    ['interrupts', [SPI, VIRT_SPI.uart, LEVEL_HIGH]],
    ['clocks', [clock, clock]],
    ['clock-names', ['uartclk', 'apb_pclk']],
  ])

const clockDeviceNode = (clock: number): DtNode =>
  built(at('pl031', VIRT.rtc), [
    ['compatible', ['arm,pl031', 'arm,primecell']],
    ['reg', reg64(VIRT.rtc)],
    ['interrupts', [SPI, VIRT_SPI.rtc, LEVEL_HIGH]],
    ['clocks', clock],
    ['clock-names', 'apb_pclk'],
  ])

const gpioNode = (clock: number, phandle: number): DtNode =>
  built(at('pl061', VIRT.gpio), [
    ['reg', reg64(VIRT.gpio)],
    ['compatible', ['arm,pl061', 'arm,primecell']],
    ['#gpio-cells', 2],
    ['gpio-controller', true],
    ['interrupts', [SPI, VIRT_SPI.gpio, LEVEL_HIGH]],
    ['clocks', clock],
    ['clock-names', 'apb_pclk'],
    ['phandle', phandle],
  ])

const powerKeyNode = (gpio: number): DtNode =>
  built(
    'gpio-keys',
    [['compatible', 'gpio-keys']],
    [
      built('poweroff', [
        ['label', 'GPIO Key Poweroff'],
        ['linux,code', POWER_KEY],
        ['gpios', [gpio, POWER_LINE, 0]],
      ]),
    ],
  )

/** Each transport is told of alike, whether there is a device in it or not. */
function virtioNode(index: number, more: readonly (Coherent | readonly ['memory-region', number])[]): DtNode {
  const { base, size } = VIRT.virtioMmio
  const block = { base: base + index * size, size }
  return built(at('virtio_mmio', block), [
    ['compatible', 'virtio,mmio'],
    ['reg', reg64(block)],
    ['interrupts', [SPI, VIRT_SPI.virtioMmio + index, EDGE_RISING]],
    ...more,
  ])
}

const fwCfgNode = (coherent: readonly Coherent[]): DtNode =>
  built(at('fw-cfg', VIRT.fwCfg), [['compatible', 'qemu,fw-cfg-mmio'], ['reg', reg64(VIRT.fwCfg)], ...coherent])

/** A binding of this repository's own: to read its register waits for the processor's writes. */
const writeBufferNode = (): DtNode =>
  built(at('write-buffer', VIRT.writeBuffer), [
    ['compatible', 'dmascope,write-buffer'],
    ['reg', reg64(VIRT.writeBuffer)],
  ])

const platformBusNode = (gic: number): DtNode =>
  built(at('platform-bus', VIRT.platformBus), [
    ['compatible', ['qemu,platform', 'simple-bus']],
    ['#size-cells', 1],
    ['#address-cells', 1],
    ['ranges', [0, 0, VIRT.platformBus.base, VIRT.platformBus.size]],
    ['interrupt-parent', gic],
  ])

/** Memory that is a pool for devices which reach no other (the binding of `shared-dma-pool`). */
const reservedMemoryNode = (place: OpenRegion, phandle: number): DtNode =>
  built(
    'reserved-memory',
    [
      ['#address-cells', 2],
      ['#size-cells', 2],
      ['ranges', true],
    ],
    [
      built(at('restricted-dma-pool', place), [
        ['compatible', RESTRICTED_DMA_POOL],
        ['reg', reg64(place)],
        ['phandle', phandle],
      ]),
    ],
  )

const memoryNode = (size: number): DtNode =>
  built(at('memory', { base: RAM_BASE, size }), [
    ['device_type', 'memory'],
    ['reg', reg64({ base: RAM_BASE, size })],
  ])
