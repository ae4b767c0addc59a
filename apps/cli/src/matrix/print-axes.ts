import { matrixAxes } from '@dmascope/scenarios/matrix'
import { printLine } from '../output/standard-output.ts'

/** What cells can be made of. */
export function printAxes(asJson: boolean): void {
  const axes = matrixAxes()
  if (asJson) {
    printLine(JSON.stringify(axes, null, 2))
    return
  }
  for (const { option, values } of axes) {
    const width = Math.max(...values.map(({ name }) => name.length))
    printLine(`${option}   (* before a value: in the matrix unless --${option} says otherwise)`)
    for (const { name, summary, byDefault } of values) {
      printLine(`${byDefault ? '*' : ' '} ${name.padEnd(width)}  ${summary}`.trimEnd())
    }
    printLine('')
  }
}
