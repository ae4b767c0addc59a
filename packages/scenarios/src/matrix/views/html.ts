import type { MatrixDocument } from '../document.ts'
import { type Grid, type GridBlock, type GridCell, gridOf, STATUSES, VERDICTS } from '../grid.ts'
import { PAGE_STYLE } from './page-style.ts'
import { STATUS_SAYS, summaryOf, VERDICT_SAYS } from './words.ts'

/** A sign beside each verdict's word, so that colours alone say nothing. */
const SIGN = { works: '✓', untested: '?', refused: '⊘', faults: '!', hangs: '…', corrupts: '✗' } as const

/** The matrix as one page, with nothing to fetch. */
export function formatMatrixHtml(document: MatrixDocument): string {
  const grid = gridOf(document.results)
  const byPlatform = new Map<string, { block: GridBlock; id: string }[]>()
  grid.blocks.forEach((block, index) => {
    const list = byPlatform.get(block.platform)
    if (list === undefined) byPlatform.set(block.platform, [{ block, id: `t${index + 1}` }])
    else list.push({ block, id: `t${index + 1}` })
  })
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dmascope matrix</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>Where each device’s DMA goes</h1>
<p>${escaped(summaryOf(grid, document.asked))}</p>
${legend(grid)}
<p>Each cell is a boot of its own: of a machine, its firmware and a kernel, with one device in question. One of them with
all its reasons:</p>
<pre class="wide"><code>dmascope matrix --cell KERNEL/HYPERVISOR/PLATFORM/STATE/DEVICE --why asked</code></pre>
</header>
<nav aria-label="Platforms"><ul>
${[...byPlatform.keys()].map((name) => `<li><a href="#${idOf(name)}">${escaped(name)}</a></li>`).join('\n')}
</ul></nav>
<main>
${[...byPlatform].map(([name, blocks]) => section(name, blocks)).join('\n')}
${notes(grid)}
</main>
<footer><p>dmascope ${escaped(document.tool.version)}</p></footer>
</body>
</html>
`
}

const idOf = (platform: string): string => `p-${platform.replaceAll(/[^\w-]/g, '-')}`

function section(name: string, blocks: readonly { readonly block: GridBlock; readonly id: string }[]): string {
  return `<section aria-labelledby="${idOf(name)}">
<h2 id="${idOf(name)}">${escaped(name)}</h2>
${blocks.map(({ block, id }) => table(block, id)).join('\n')}
</section>`
}

function table({ title, summary, guests, hypervisors, absent, rows }: GridBlock, id: string): string {
  const none = absent.map(({ hypervisor, note }) => `${escaped(hypervisor)} ${reference(note)}`).join(', ')
  const missing = none === '' ? '' : `<p class="absent">No such machine: ${none}.</p>`
  if (hypervisors.length === 0) return `<h3>${escaped(title)}</h3>\n<p>${escaped(summary)}.</p>\n${missing}`
  const head = hypervisors.map((one) => `<th scope="col">${escaped(one)}</th>`).join('')
  const body = guests.map(
    (guest, at) => `<tr><th scope="row">${escaped(guest)}</th>${(rows[at] ?? []).map(cellOf).join('')}</tr>`,
  )
  return `<h3 id="${id}">${escaped(title)}</h3>
<p>${escaped(summary)}.</p>
<div class="wide" role="region" aria-labelledby="${id}" tabindex="0"><table>
<thead><tr><th scope="col">Kernel</th>${head}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div>
${missing}`
}

function cellOf(cell: GridCell | null): string {
  if (cell === null) return '<td class="none">not run</td>'
  if ('note' in cell) return `<td class="none">cannot be ${reference(cell.note)}</td>`
  return `<td class="${cell.verdict}">${verdict(cell.verdict)}<small>${STATUS_SAYS[cell.status].word}</small></td>`
}

const verdict = (one: keyof typeof SIGN): string =>
  `<span class="verdict"><span aria-hidden="true">${SIGN[one]}</span> ${one}</span>`

const reference = (note: number): string => `<a href="#n${note}" aria-label="reason ${note}">(${note})</a>`

function legend({ counts }: Grid): string {
  const rows = [
    ...VERDICTS.filter((one) => counts.verdicts.has(one)).map(
      (one) => `<dt class="${one}">${verdict(one)}</dt><dd>${VERDICT_SAYS[one]}</dd>`,
    ),
    ...STATUSES.filter((one) => counts.statuses.has(one)).map(
      (one) => `<dt><small>${STATUS_SAYS[one].word}</small></dt><dd>${STATUS_SAYS[one].says}</dd>`,
    ),
  ]
  return rows.length === 0 ? '' : `<dl>\n${rows.map((row) => `<div>${row}</div>`).join('\n')}\n</dl>`
}

function notes(grid: Grid): string {
  if (grid.notes.length === 0) return ''
  const items = grid.notes.map((note, index) => `<li id="n${index + 1}">${escaped(note)}</li>`)
  return `<section aria-labelledby="absent"><h2 id="absent">Machines that cannot be</h2>\n<ol>\n${items.join('\n')}\n</ol></section>`
}

const ENTITY: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (one) => ENTITY[one] ?? one)
