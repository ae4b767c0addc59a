import type { DtNode, PropertyInput } from '@dmascope/devicetree'
import { VIRT, VIRT_SPI } from './memory-map.ts'
import { at, built, LEVEL_HIGH, reg64, SPI } from './tree-node.ts'

/** What software in the normal world cannot reach says so. */
const SECURE: readonly (readonly [string, PropertyInput])[] = [
  ['status', 'disabled'],
  ['secure-status', 'okay'],
]
const SECURE_UART = `/${at('pl011', VIRT.secureUart)}`

export const secureChosenNode = (seeds: readonly (readonly [string, PropertyInput])[]): DtNode =>
  built('secure-chosen', [...seeds, ['stdout-path', SECURE_UART]])

export const SECURE_ALIAS: readonly [string, string] = ['serial1', SECURE_UART]

/** Two flash devices, of which the first is the secure world's. */
export const secureFlashNodes = (): readonly DtNode[] => {
  const half = VIRT.flash.size / 2
  const flash = (name: string, base: number, more: typeof SECURE): DtNode =>
    built(at(name, { base, size: half }), [
      ['compatible', 'cfi-flash'],
      ['reg', reg64({ base, size: half })],
      ['bank-width', 4],
      ...more,
    ])
  return [flash('secflash', 0, SECURE), flash('flash', half, [])]
}

/** Its UART and its memory, which older releases make the other way around. */
export const secureNodes = (newer: boolean, clock: number): readonly DtNode[] =>
  newer ? [secureUartNode(clock), secureMemoryNode()] : [secureMemoryNode(), secureUartNode(clock)]

const secureUartNode = (clock: number): DtNode =>
  built(at('pl011', VIRT.secureUart), [
    ['compatible', ['arm,pl011', 'arm,primecell']],
    ['reg', reg64(VIRT.secureUart)],
    ['interrupts', [SPI, VIRT_SPI.secureUart, LEVEL_HIGH]],
    ['clocks', [clock, clock]],
    ['clock-names', ['uartclk', 'apb_pclk']],
    ...SECURE,
  ])

const secureMemoryNode = (): DtNode =>
  built(at('secram', VIRT.secureMemory), [['device_type', 'memory'], ['reg', reg64(VIRT.secureMemory)], ...SECURE])

/** Lines by which the secure world turns the machine off, and starts it anew. */
export const secureGpioNodes = (clock: number, phandle: number): readonly DtNode[] => [
  built(at('pl061', VIRT.secureGpio), [
    ['reg', reg64(VIRT.secureGpio)],
    ['compatible', ['arm,pl061', 'arm,primecell']],
    ['#gpio-cells', 2],
    ['gpio-controller', true],
    ['interrupts', [SPI, VIRT_SPI.secureGpio, LEVEL_HIGH]],
    ['clocks', clock],
    ['clock-names', 'apb_pclk'],
    ['phandle', phandle],
    ...SECURE,
  ]),
  ...['gpio-poweroff', 'gpio-restart'].map((name, line) =>
    built(name, [['compatible', name], ['gpios', [phandle, line, 0]], ...SECURE]),
  ),
]
