import { iommuCases } from './iommu-dmascope.ts'
import { iommuFloorCases } from './iommu-floor.ts'
import { runCases } from './runner.ts'
import { formatTable } from './table.ts'

const only = new RegExp(process.argv[2] ?? '.')
console.log(
  formatTable(
    runCases(
      [...iommuCases(), ...iommuFloorCases()].filter((c) => only.test(c.id)),
      { rounds: 3, seconds: 0.1, warmUpSeconds: 0.2 },
    ),
  ),
)
