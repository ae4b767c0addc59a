import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = new URL('../../../', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'dmascope-docs-'))

/** Files that pages speak of. */
const FILES: Readonly<Record<string, string>> = {
  'README.txt': 'No table.\n',
  'agents.yaml': `machine: q35
name: server
machineProperties: { kernel-irqchip: split }
append: intel_iommu=on
devices:
  - { model: intel-iommu, intremap: on }
  - { model: nvme, id: disk, serial: a, addr: 2 }
  - { model: virtio-net-pci, id: nic, addr: 3 }
firmwareRegions:
  - { device: disk, size: 64K } # an agent in the disk goes on using this, and the DMAR says so
`,
  'broken.yaml': `machine: q35
machineProperties: { kernel-irqchip: split }
append: intel_iommu=on
devices:
  - { model: intel-iommu, intremap: on }
  - { model: e1000e, addr: 2 }
tables:
  - { table: DMAR, offset: 0x38, bytes: 00 00 00 00 00 00 00 00 } # where the first unit's registers are
`,
  'board.dts': `/dts-v1/;
/ {
	#address-cells = <1>;
	#size-cells = <1>;

	smmu: iommu@9050000 {
		reg = <0x9050000 0x20000>;
		#iommu-cells = <1>;
	};

	pcie@10000000 {
		iommu-map = <0x0 &smmu 0x0 0x10000>;
	};
};
`,
}

beforeAll(() => {
  // A bundle of its own: other tests make one too.
  cpSync(`${ROOT}apps/cli/bin`, join(folder, 'bin'), { recursive: true })
  execFileSync(process.execPath, [`${ROOT}apps/cli/bundle.js`, join(folder, 'dist')])
  const program = join(folder, 'dmascope')
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${folder}/bin/dmascope.js" "$@"\n`)
  chmodSync(program, 0o755)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Shown {
  readonly command: string
  readonly output: string
}

/** The commands of a page's `console` blocks, each behind `$ `, and what stands below each. */
function shownIn(page: string): Shown[] {
  return [...page.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((one) => {
        const end = one.indexOf('\n')
        return { command: one.slice(0, end), output: one.slice(end + 1) }
      }),
  )
}

const pages = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith('.md'))

describe.each(pages)('docs/%s', (name) => {
  it('shows what its commands print', () => {
    const place = mkdtempSync(join(tmpdir(), 'dmascope-page-'))
    try {
      for (const [file, content] of Object.entries(FILES)) writeFileSync(join(place, file), content)
      const shown = shownIn(readFileSync(`${ROOT}docs/${name}`, 'utf8'))
      expect(shown.length).toBeGreaterThan(0)
      let status = 0
      for (const { command, output } of shown) {
        // In a shell of its own each, but for the exit status, which the next may ask for.
        const run = spawnSync('sh', ['-c', `(exit ${status}); ${command}`], {
          cwd: place,
          encoding: 'utf8',
          env: { ...process.env, NO_COLOR: '1', PATH: `${folder}${delimiter}${process.env.PATH ?? ''}` },
        })
        status = run.status ?? 1
        expect(`${run.stdout}${run.stderr}`, command).toBe(output)
      }
    } finally {
      rmSync(place, { recursive: true, force: true })
    }
  })
})
