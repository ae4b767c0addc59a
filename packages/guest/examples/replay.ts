import { bootGuest, type CpuTrace, replayCpuBus } from '@dmascope/guest'

// A recording, cut short here: the kernel looks for its boot parameters, at 0x90000, and finds only zeros.
const trace: CpuTrace = { version: 1, ports: true, operations: [['R', 0x9_0000, '00'.repeat(4096)]] }
const witness = { grant: () => 0, revoke() {}, phase() {} }

const bus = replayCpuBus(trace)
const result = bootGuest(bus, { profile: 'linux-6.1', witness })
console.log(`booted: ${result.booted}: ${result.halted}`)
console.log(`divergence: ${bus.divergence}, ${bus.remaining} operations left`)

// Whatever software does otherwise than was recorded is told, and gets what a machine without devices answers.
const other = replayCpuBus(trace)
console.log(`0x${other.read32(0xfee0_0020).toString(16)}`)
console.log(other.divergence)
