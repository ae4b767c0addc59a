import { defineRules } from './rule.ts'

/** What can be wrong with any table. */
export const ACPI_RULES = defineRules('ACPI', {
  tooLong: {
    number: 1,
    level: 'error',
    title: 'The table ends before its header says',
    why: 'The header gives a length that the bytes at hand do not have. A file that was cut short is the usual cause; in memory, the kernel reads whatever lies behind the table.',
    kernel: 'Linux maps and reads as many bytes as the header says, whatever they are.',
    fix: 'read the table again, whole; in a builder, write the length when the table is complete',
  },
  beyond: {
    number: 2,
    level: 'note',
    title: 'Bytes stand behind the table',
    why: 'The header gives a length that is less than the number of bytes. What is behind it belongs to no table.',
    kernel: 'Linux never sees them.',
    fix: 'cut the file where the table ends, or count what is missing into the length',
  },
  checksum: {
    number: 3,
    level: 'warning',
    title: 'The checksum is wrong',
    why: 'All bytes of a table add up to zero. A table that does not was changed after it was built, or read wrongly.',
    kernel:
      'Linux warns (“Incorrect checksum in table”) and uses the table all the same. An IVRS is the exception: see IVRS-0001.',
    fix: 'compute the checksum last, over all bytes that the header counts',
  },
  tooShort: {
    number: 4,
    level: 'error',
    title: 'The table is too short for a header',
    why: 'Every table starts with 36 bytes of header. Without them nothing can be told of it.',
    kernel: 'Linux refuses a table whose length is below that of its header.',
    fix: 'read the table again, whole',
  },
  unowned: {
    number: 5,
    level: 'note',
    title: 'Bytes belong to no field',
    why: 'A structure is longer than its fields. They may be of a later revision of the specification, or left over.',
    kernel: 'Linux passes over them.',
    fix: 'give the structure the length of its fields',
  },
  text: {
    number: 6,
    level: 'warning',
    title: 'The text that a table stands in is damaged',
    why: 'A row of acpidump’s or iasl’s text is missing, or has no bytes: the table that is read from it is not the one that was printed.',
    kernel: 'Linux never sees the text.',
    fix: 'print the table again, or give the table itself',
  },
})
