import { CLAIMS, judgeClaim } from '@dmascope/scenarios/claims'

const claim = CLAIMS.find(({ number }) => number === 14)
if (claim !== undefined) {
  const { said, outcome, why } = judgeClaim(claim)
  console.log(`${said.who}: ${claim.claim}`)
  console.log(`${outcome}: ${why}`)
}
