/** Where the page about a finding stands. */
export const pageOf = (id: string): string => `https://github.com/dmascope/dmascope/blob/main/docs/findings/${id}.md`
