import { defineRules } from './rule.ts'

/** What can be wrong with a MADT where IOMMUs need it. */
export const MADT_RULES = defineRules('MADT', {
  cutShort: {
    number: 1,
    level: 'error',
    title: 'The MADT is too short for its fixed fields',
    why: 'The local APIC’s address and the flags stand in bytes 36 to 43.',
    kernel: 'Linux gives up the table.',
    fix: 'build the table with its 44 bytes of header and fixed fields',
  },
  recordLength: {
    number: 2,
    level: 'error',
    title: 'An interrupt controller structure has a length that cannot be',
    why: 'It is zero, or reaches past the table’s end, so that what follows cannot be found.',
    kernel: 'Linux stops: “Invalid zero length”, or passes over the rest.',
    fix: 'give each structure its length',
  },
  ioapicTwice: {
    number: 3,
    level: 'warning',
    title: 'Two I/O APICs have the same ID',
    why: 'DMAR and IVRS name an I/O APIC by its ID.',
    kernel: 'Linux gives the second another ID, which no table names.',
    fix: 'give each I/O APIC its own ID',
  },
  ioapicAtZero: {
    number: 4,
    level: 'error',
    title: 'An I/O APIC is at address zero',
    why: 'Memory is there.',
    kernel: 'Linux leaves it out: “Bogus (zero) I/O APIC address found in table, skipping!”',
    fix: 'write the address of its registers, or leave it out',
  },
  gsiTwice: {
    number: 5,
    level: 'warning',
    title: 'Two I/O APICs start at the same interrupt',
    why: 'Their global system interrupts overlap.',
    kernel: 'Linux leaves the second one out.',
    fix: 'let each start where the one before it ends',
  },
  itsTwice: {
    number: 6,
    level: 'warning',
    title: 'Two GIC ITSs have the same ID',
    why: 'The IORT names an ITS by its ID.',
    kernel: 'Linux finds the one that it registered last.',
    fix: 'give each ITS its own ID',
  },
})
