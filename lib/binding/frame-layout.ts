// The layout in which the addon is told what envelope a frame has. The counterpart of native/frames/frame_layout.h: change both
// together.

/** Indices of the words of a frame. */
export const LayoutWord = {
  units: 0,
  type: 1,
  idMillions: 2,
  idRest: 3,
  idSequence: 4,
  timestamp: 5,
  count: 6,
} as const

/** The text has the whole frame already. */
export const WHOLE_FRAME = 0

/** More bytes than any envelope takes. */
export const ENVELOPE_BYTES = 96
