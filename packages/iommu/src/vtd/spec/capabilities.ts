import { bits } from '@dmascope/layout'

/** Version Register, VER_REG. */
export const VER = bits(32, 'VER_REG', 'VT-d 4.1, register descriptions', { MAX: [7, 4], MIN: [3, 0] })

/** Capability Register, CAP_REG. Names of retired fields are those of the last revision that had them. */
export const CAP = bits(64, 'CAP_REG', 'VT-d 4.1, register descriptions', {
  ESRTPS: 63,
  ESIRTPS: 62,
  ECMDS: 61,
  FS5LP: 60,
  PI: 59,
  FS1GP: 56,
  DRD: 55,
  DWD: 54,
  MAMV: [53, 48],
  NFR: [47, 40],
  PSI: 39,
  SSLPS: [37, 34],
  FRO: [33, 24],
  ZLR: 22,
  MGAW: [21, 16],
  SAGAW: [12, 8],
  CM: 7,
  PHMR: 6,
  PLMR: 5,
  RWBF: 4,
  AFL: 3,
  ND: [2, 0],
})

/** Extended Capability Register, ECAP_REG. */
export const ECAP = bits(64, 'ECAP_REG', 'VT-d 4.1, register descriptions', {
  SMS: 58,
  RPRIVS: 53,
  ADMS: 52,
  PMS: 51,
  RPS: 49,
  SMPWCS: 48,
  FSTS: 47,
  SSTS: 46,
  SSADS: 45,
  VCS: 44,
  SMTS: 43,
  PDS: 42,
  DIT: 41,
  PASID: 40,
  PSS: [39, 35],
  EAFS: 34,
  NWFS: 33,
  SRS: 31,
  ERS: 30,
  PRS: 29,
  NEST: 26,
  MTS: 25,
  MHMV: [23, 20],
  IRO: [17, 8],
  SC: 7,
  PT: 6,
  EIM: 4,
  IR: 3,
  DT: 2,
  QI: 1,
  C: 0,
})

/** Bits of CAP.SAGAW: which second-stage table depths the hardware walks. */
export const SAGAW_39 = 0b00010
export const SAGAW_48 = 0b00100
export const SAGAW_57 = 0b01000

/** Bits of CAP.SSLPS: large second-stage pages. */
export const SSLPS_2M = 0b0001
export const SSLPS_1G = 0b0010
