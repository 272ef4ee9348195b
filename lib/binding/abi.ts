// The layout in which the addon describes one checked line. The counterpart of native/frames/frame_record.h: change
// both together.

/** Indices of the words of a record. Positions are byte offsets in the read window. */
export const RecordWord = {
  state: 0,
  typeCode: 1,
  flags: 2,
  lineStart: 3,
  lineEnd: 4,
  typeStart: 5,
  typeEnd: 6,
  idStart: 7,
  idEnd: 8,
  payloadStart: 9,
  payloadEnd: 10,
  timestampLow: 11,
  timestampHigh: 12,
  errorOffset: 13,
  /** The number that the sender stated under the key `seq`; 0 when there is none. */
  sequenceLow: 14,
  sequenceHigh: 15,
  count: 16,
} as const

/** Indices of what a step of a frame reader came to. */
export const Progress = {
  /** The lines of its records lie in [textBegin, textEnd) of the window. */
  textBegin: 0,
  textEnd: 1,
  /** 1: there is more to do before the next read. */
  more: 2,
  /** Bytes of an unfinished line. */
  carried: 3,
  /** Bytes read; 0 at the end of the stream; a negative error number; or {@link NOTHING_RECEIVED}. */
  received: 4,
  /** Set here: messages have the window, so that the addon must not read into it any more. */
  given: 5,
  count: 6,
} as const

/** Nothing has arrived. */
export const NOTHING_RECEIVED = -0x8000_0000

export const RecordFlag = { ascii: 1, canonical: 2, typeEscaped: 4, idEscaped: 8, plainNames: 16 } as const

/** The state of a line that is a message; every other state is the index of its reason below. */
export const MESSAGE_STATE = 0
export const TOO_LARGE_STATE = 10

/** Why a line is no message, by state: a stable name and a sentence. */
export const INVALID_REASONS: readonly (readonly [name: string, sentence: string])[] = [
  ['', ''],
  ['not-json', 'it is not JSON'],
  ['not-utf8', 'it is not UTF-8'],
  ['too-deep', 'it is nested too deeply'],
  ['not-an-object', 'it is not a JSON object'],
  ['type-missing', 'it has no type'],
  ['type-not-a-string', 'its type is not a string'],
  ['id-not-a-string', 'its id is not a string'],
  ['ts-not-an-integer', 'its ts is not an integer within 2^53'],
  ['duplicate-key', 'an envelope key stands there twice'],
  ['too-large', 'it is too long'],
  ['truncated', 'the stream ended in the middle of it'],
]
