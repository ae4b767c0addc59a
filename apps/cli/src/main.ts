import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { BootFlags } from './commands/boot.ts'
import type { BuildFlags } from './commands/build.ts'
import type { ClaimsFlags } from './commands/claims.ts'
import type { LintFlags } from './commands/lint.ts'
import type { MatrixFlags } from './commands/matrix.ts'
import { BAD_INPUT, DONE } from './exit.ts'
import { SERVE_CELLS } from './matrix/serve-argument.ts'
import { describeFailure } from './output/failure.ts'
import { leaveWhenWritten, print } from './output/standard-output.ts'
import { VERSION } from './version.ts'

const BOOT_EXAMPLES = `
SOURCE is a preset (see: dmascope presets), a machine file (.yaml or .json; see: dmascope schema machine), - for a
machine file on standard input, a cell of the claims (GUEST/HYPERVISOR/PLATFORM/IOMMU/DEVICE), or, after --, a QEMU
command line as you type it in a shell. Without SOURCE the default machine boots.

Examples:
  dmascope boot
  dmascope boot --why 00:03.0
  dmascope boot --append "intel_iommu=on iommu=pt" root-port
  dmascope boot --guest always-dma-api
  dmascope boot --guest linux-4.4 --hypervisor physical
  dmascope boot always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk --why asked
  dmascope boot machine.yaml --format json > report.json
  dmascope boot -- qemu-system-x86_64 -M q35,kernel-irqchip=split -device intel-iommu,intremap=on \\
      -device virtio-net-pci,netdev=n0 -netdev user,id=n0 -append intel_iommu=on

Exit status: 0 done; 1 --fail-on was met; 2 bad usage or bad input.`

const CLAIMS_EXAMPLES = `
Each claim is decided by boots: machines and kernels, and what their devices' DMA was seen to do. Without NUMBER all are
run; with one, it is explained case by case.

Examples:
  dmascope claims
  dmascope claims 7
  dmascope claims --format json > claims.json
  dmascope claims --save expected.json && dmascope claims --expect expected.json

Exit status: 0 the outcomes are those expected; 1 one is not; 2 bad usage or bad input.`

const MATRIX_EXAMPLES = `
Every combination of a kernel, a hypervisor, a platform, a state of its IOMMU and a device is a cell: a boot of its own,
with a self-test of 4 KiB. --guest and the like narrow or widen an axis; they take lists with commas, * for any letters,
and may be repeated. --axes lists what there is.

Examples:
  dmascope matrix --platform x86-vtd --iommu on
  dmascope matrix --guest '*' --hypervisor qemu,physical --device virtio-net
  dmascope matrix --guest linux-6.12 --guest linux-6.12,restricted=on --platform 'arm64*'
  dmascope matrix --cell linux-4.4/physical/x86-vtd/on/virtio-blk --why asked
  dmascope matrix --resume results.jsonl --format html > matrix.html
  dmascope matrix --shard 1/4 --format jsonl > part-1.jsonl
  dmascope matrix merge part-*.jsonl

Exit status: 0 done; 2 bad usage or bad input; 130 stopped by Ctrl-C: what was done is printed, and kept by --resume.`

const MERGE_EXAMPLES = `
FILE is what dmascope matrix prints with --format jsonl or json, or keeps with --resume; - is standard input. The order of
files and of the cells in them does not matter.

Examples:
  dmascope matrix merge part-1.jsonl part-2.jsonl
  dmascope matrix merge part-*.jsonl --format html > matrix.html

Exit status: 0 done; 2 bad usage or bad input, or two files say different things of one cell.`

const DECODE_EXAMPLES = `
FILE is an ACPI table as it lies in memory, the text of acpidump, the text of iasl -d with its raw data, a device tree
blob, device tree source, a folder of these such as /sys/firmware/acpi/tables, or - for standard input. What it is, is
told from its content.

Examples:
  dmascope decode /sys/firmware/acpi/tables/DMAR
  dmascope decode /sys/firmware/acpi/tables
  acpidump | dmascope decode -
  dmascope decode --format json board.dtb > board.json

Exit status: 0 done, whatever is wrong with the tables; 2 bad usage or bad input.`

const BUILD_EXAMPLES = `
FILE is what dmascope decode --format json prints (see: dmascope schema tables), or one table or tree of it; - is
standard input. Lengths, counts and checksums that it does not state are worked out.

Examples:
  dmascope decode --format json DMAR | dmascope build - > same.dat
  dmascope build edited.json -o DMAR.dat
  dmascope build --checksum fix broken.json -o DMAR.dat
  dmascope build all-tables.json -o tables/

Exit status: 0 done; 2 bad usage or bad input.`

const LINT_EXAMPLES = `
FILE is what dmascope decode takes; a folder stands for its files. Looked at are DMAR, IVRS, IORT, VIOT, MCFG, MADT and
device trees. What --topology names is held against them: the text of lspci (lspci -nnvvv tells most), or a report of
dmascope boot --format json. Each finding has a page: docs/findings/ID.md.

Examples:
  dmascope lint /sys/firmware/acpi/tables/DMAR
  dmascope lint /sys/firmware/acpi/tables --fail-on error
  lspci -nnvvv > lspci.txt && dmascope lint /sys/firmware/acpi/tables --topology lspci.txt
  acpidump | dmascope lint -
  dmascope lint board.dtb --format sarif > board.sarif

Exit status: 0 done; 1 --fail-on was met; 2 bad usage or bad input.`

const ROOT_EXAMPLES = `
Examples:
  dmascope boot                          boot the default machine and show where each device's DMA goes
  dmascope boot -- qemu-system-x86_64 -M q35 -device intel-iommu -device virtio-blk-pci,drive=d0 ...
  dmascope decode DMAR.dat               show every byte of a firmware table, and what it means
  dmascope lint DMAR.dat                 find what is wrong with it, and what Linux makes of that
  dmascope claims                        what was said of virtio and IOMMUs, decided by running it
  dmascope matrix                        boot every combination, and show them as a grid
  dmascope presets                       machines to start from
  dmascope guests                        kernels to boot
  dmascope hypervisors                   whose rules virtio devices and firmware tables follow`

function format(value: string): BootFlags['format'] {
  if (value === 'text' || value === 'json' || value === 'markdown' || value === 'sarif') return value
  throw new InvalidArgumentError('It is text, json, markdown or sarif.')
}

function program(qemuArguments: readonly string[] | null): Command {
  const root = new Command('dmascope')
    .description("See where every device's DMA really goes: boots a simulated guest on an emulated machine.")
    .version(VERSION, '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    // What stands behind a command is that command's own.
    .enablePositionalOptions()
    .showHelpAfterError('(see --help)')
    .addHelpText('after', ROOT_EXAMPLES)
    .configureOutput({ writeOut: print })
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`dmascope: ${text}`) })
  const command = (name: string, description: string): Command =>
    root
      .command(name)
      .description(description)
      .helpOption('-h, --help', 'show help')
      .showHelpAfterError(`(see dmascope ${name.split(' ')[0]} --help)`)
      .configureOutput({ outputError: (text, write) => write(`dmascope: ${text}`) })

  command('boot [source]', 'boot a guest on a machine and report every device')
    .option(
      '--guest <profile>',
      'the kernel to boot, with options: NAME[,OPTION...] (default: linux-6.12; see: dmascope guests)',
    )
    .option('--append <line>', "the kernel's command line, instead of the source's")
    .option('--qemu-version <version>', 'whose machines: 7.2 or 11.1 (default: 11.1, or what the source says)')
    .option(
      '--hypervisor <name>',
      'whose rules virtio devices and tables follow, such as qemu-2.4 (default: those of --qemu-version; see: dmascope hypervisors)',
    )
    .option('--format <format>', 'text, json, markdown or sarif', format, 'text')
    .option('--why <device>', 'the chain of reasons for one device, by address (00:03.0) or id')
    .option('--trace <file>', 'write every DMA as a trace that Perfetto opens')
    .option(
      '--dump-firmware <dir>',
      'write the ACPI tables, or the device tree, as the guest found them, one file each',
    )
    .addOption(
      new Option('--fail-on <level>', 'exit with 1 on findings of this level or above').choices(['error', 'warning']),
    )
    .option('--verbose', 'show the guest’s log too, and where an error came from')
    .addHelpText('after', BOOT_EXAMPLES)
    .action(async (source: string | undefined, flags: BootFlags) => {
      const { boot } = await import('./commands/boot.ts')
      process.exitCode = await boot(source, qemuArguments, flags)
    })
  command('presets', 'list the machines to start from')
    .addOption(new Option('--format <format>', 'text or json').choices(['text', 'json']).default('text'))
    .action(async (flags: { format: string }) => {
      const { presets } = await import('./commands/presets.ts')
      presets(flags.format === 'json')
    })
  command('guests', 'list the kernels to boot')
    .addOption(new Option('--format <format>', 'text or json').choices(['text', 'json']).default('text'))
    .action(async (flags: { format: string }) => {
      const { guests } = await import('./commands/guests.ts')
      guests(flags.format === 'json')
    })
  command('hypervisors', 'list whose rules virtio devices and firmware tables can follow')
    .addOption(new Option('--format <format>', 'text or json').choices(['text', 'json']).default('text'))
    .action(async (flags: { format: string }) => {
      const { hypervisors } = await import('./commands/hypervisors.ts')
      hypervisors(flags.format === 'json')
    })
  command('claims [number]', 'run what was said in the argument over virtio and IOMMUs, and see what holds')
    .addOption(
      new Option('--format <format>', 'text, json or markdown').choices(['text', 'json', 'markdown']).default('text'),
    )
    .option('--expect <file>', 'hold the outcomes against this file instead of those recorded with this version')
    .option('--save <file>', 'write the outcomes to a file that --expect takes')
    .addHelpText('after', CLAIMS_EXAMPLES)
    .action(async (number: string | undefined, flags: ClaimsFlags) => {
      const { claims } = await import('./commands/claims.ts')
      process.exitCode = await claims(number, flags)
    })
  matrixCommands(command)
  command('decode <file...>', 'show ACPI tables and device trees field by field')
    .addOption(new Option('--format <format>', 'text or json').choices(['text', 'json']).default('text'))
    .addHelpText('after', DECODE_EXAMPLES)
    .action(async (files: string[], flags: { format: 'text' | 'json' }) => {
      const { decode } = await import('./commands/decode.ts')
      await decode(files, flags.format)
    })
  command('build <file>', 'build the bytes of tables and trees from JSON')
    .option('-o, --output <file>', 'write to a file, or to a folder, one file a table; default: standard output')
    .addOption(
      new Option('--checksum <what>', 'keep the wrong checksums that the JSON states, or fix them')
        .choices(['keep', 'fix'])
        .default('keep'),
    )
    .addHelpText('after', BUILD_EXAMPLES)
    .action(async (file: string, flags: BuildFlags) => {
      const { build } = await import('./commands/build.ts')
      await build(file, flags)
    })
  command('lint <file...>', 'find what is wrong with firmware tables and device trees')
    .option('--topology <file>', 'the PCI functions of the machine: text of lspci, or a boot report in JSON')
    .addOption(
      new Option('--format <format>', 'text, json or sarif').choices(['text', 'json', 'sarif']).default('text'),
    )
    .addOption(
      new Option('--fail-on <level>', 'exit with 1 on findings of this level or above').choices(['error', 'warning']),
    )
    .addHelpText('after', LINT_EXAMPLES)
    .action(async (files: string[], flags: LintFlags) => {
      const { lint } = await import('./commands/lint.ts')
      process.exitCode = await lint(files, flags)
    })
  command('schema [what]', 'print a JSON schema: report (default), machine, tables, lint or matrix').action(
    async (what: string | undefined) => {
      const { schema } = await import('./commands/schema.ts')
      await schema(what ?? 'report')
    },
  )
  command('diff <a> <b>', 'show what differs between two JSON reports')
    .addHelpText(
      'after',
      '\nExit status: 0 the same; 1 they differ; 2 bad input.\n\nExample:\n  dmascope diff before.json after.json',
    )
    .action(async (a: string, b: string) => {
      const { diff } = await import('./commands/diff.ts')
      process.exitCode = diff(a, b)
    })
  return root
}

/** `matrix`, and `matrix merge` below it. */
function matrixCommands(command: (name: string, description: string) => Command): void {
  const format = () => new Option('--format <format>', 'text, json, jsonl, markdown or html').default('text')
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  const parent = command('matrix', 'boot every combination of kernel, hypervisor, platform, IOMMU and device')
    .option('--guest <kernels>', 'these kernels, with options: NAME[,OPTION=...] (see: dmascope guests)', collect)
    .option('--hypervisor <names>', 'these hypervisors (see: dmascope hypervisors)', collect)
    .option('--platform <names>', 'these platforms', collect)
    .option('--iommu <states>', 'these states of the IOMMU: none, on, pt, off, uncovered', collect)
    .option('--device <names>', 'these devices', collect)
    .option('--axes', 'list what these can be, and boot nothing')
    .addOption(format())
    .option('--resume <file>', 'keep results in this file; cells that stand there already are not booted again')
    .option('--shard <i/n>', 'only the i-th of n parts of the cells')
    .option('--jobs <count>', 'threads to boot in (default: one for each core)')
    .option('--cell <key>', "one cell's full report instead: KERNEL/HYPERVISOR/PLATFORM/STATE/DEVICE")
    .option('--why <device>', 'with --cell: the chain of reasons for one device; asked is the one in question')
    .addHelpText('after', MATRIX_EXAMPLES)
    .action(async (flags: MatrixFlags) => {
      const { matrix } = await import('./commands/matrix.ts')
      process.exitCode = await matrix(flags)
    })
  parent
    .command('merge <file...>')
    .description('put parts of a matrix together')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('(see dmascope matrix merge --help)')
    .addOption(format())
    .addHelpText('after', MERGE_EXAMPLES)
    .action(async (files: string[], flags: { format: string }) => {
      const { merge } = await import('./commands/merge.ts')
      await merge(files, flags.format)
    })
}

export { leaveWhenWritten }

/** Runs the command line. Sets the process's exit status; writes nothing to standard output but results. */
export async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === SERVE_CELLS) {
    const { serve } = await import('./matrix/serve-cells.ts')
    await serve()
  }
  const cut = argv.indexOf('--')
  const own = cut < 0 ? argv : argv.slice(0, cut)
  const qemuArguments = cut < 0 ? null : argv.slice(cut + 1)
  const verbose = own.includes('--verbose')
  try {
    const root = program(qemuArguments)
    for (const one of root.commands) one.exitOverride()
    if (own.length === 0) root.help()
    await root.parseAsync(own, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? DONE : BAD_INPUT
      return
    }
    console.error(describeFailure(error, verbose))
    process.exitCode = BAD_INPUT
  }
}
