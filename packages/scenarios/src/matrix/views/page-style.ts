/** The page's style sheet. Contrast of text is at least 7:1 in light and dark (WCAG 2.2, 1.4.6). */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --text: #1a1a1a; --page: #fff; --line: #c4c4c4; --head: #f0f0f0;
  --works: #d6f0da; --refused: #fdf0c4; --faults: #fbdcd6; --corrupts: #f5b3a8; --quiet: #4a4a4a; --link: #003c8f }
@media (prefers-color-scheme: dark) {
  :root { --text: #f0f0f0; --page: #14161a; --line: #4a4e55; --head: #22262c;
    --works: #163d20; --refused: #45390c; --faults: #571f16; --corrupts: #86271a; --quiet: #c2c2c2; --link: #a9cbff }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 80rem; padding: 1rem 1.5rem 3rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: .5rem 0 } h2 { font-size: 1.3rem; margin: 2.5rem 0 0 }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0 } h3 + p { margin: .1rem 0 .5rem; color: var(--quiet) }
a { color: var(--link) } code { font-size: .9em; overflow-wrap: anywhere }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; margin: 1rem 0; padding: 0 }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: .3rem 1.5rem; margin: 1rem 0 }
dl div { display: flex; gap: .8rem; align-items: baseline } dd { margin: 0 }
dt { flex: 0 0 7.5rem; padding: .1rem .5rem; border-radius: .2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top }
thead th { background: var(--head) } tbody th { font-weight: 500; white-space: nowrap }
td small { display: block; font-size: .85em } .verdict { font-weight: 600; white-space: nowrap }
.works { background: var(--works) } .refused, .untested { background: var(--refused) }
.faults, .hangs { background: var(--faults) } .corrupts { background: var(--corrupts) }
.none, .absent { color: var(--quiet) }
:target { outline: 3px solid var(--link); outline-offset: 2px }
`
