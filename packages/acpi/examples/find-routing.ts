import { aml, definitionBlock, findPciRouting, hostBridge, interruptLink } from '@dmascope/acpi'

const dsdt = definitionBlock('DSDT', [
  aml.scope(
    '\\_SB',
    interruptLink('GSIG', 6, 22),
    hostBridge({
      name: 'PCI0',
      uid: 0,
      segment: 0,
      bus: 0,
      lastBus: 255,
      express: true,
      ports: [{ first: 0xd00, last: 0xffff }],
      memory: [{ first: 0xc0000000, last: 0xfebfffff }],
      routing: [
        { device: 2, pin: 0, link: 'GSIG' },
        { device: 31, pin: 1, gsi: 17 },
      ],
    }),
  ),
])

for (const { bus, device, pin, gsi, link } of findPciRouting(dsdt)) {
  const via = link === undefined ? '' : ` through ${link}`
  console.log(`bus ${bus} device ${device} INT${'ABCD'[pin]} is GSI ${gsi}${via}`)
}
