// The numbers and names that TypeScript and the addon share: layouts of memory that both access, and values with a
// special meaning. The other half is native/abi/abi.h; test/unit/binding/abi.test.ts compares the two through the
// loaded addon, so a change on one side alone fails.

import type { InvalidLineReason, RefusalReason } from '../base/error-reasons.js'

/**
 * Indices of the words of a record, which describes one checked line. Positions are byte offsets in the read window.
 */
export const RecordWord = {
  /** A {@link LineState}. */
  state: 0,
  /** A {@link MessageTypeCode}. */
  typeCode: 1,
  /** Bits of {@link RecordFlag}. */
  flags: 2,
  lineStart: 3,
  /** Without the line ending. */
  lineEnd: 4,
  /** Within the quotes, as `id` below. */
  typeStart: 5,
  typeEnd: 6,
  /** Equal to `idEnd` when the id is absent or empty. */
  idStart: 7,
  idEnd: 8,
  /** The whole text of the value; equal to `payloadEnd` when it is absent. */
  payloadStart: 9,
  payloadEnd: 10,
  timestampLow: 11,
  timestampHigh: 12,
  /** Of an invalid line: bytes from its start to the error. */
  errorOffset: 13,
  /** The number that the sender stated under the key `seq`; 0 when there is none. */
  sequenceLow: 14,
  sequenceHigh: 15,
  count: 16,
} as const

export const RecordFlag = {
  /** The line is pure ASCII. */
  ascii: 1,
  /** The line is byte for byte what this package writes for the message. */
  canonical: 2,
  /** The type holds escapes. */
  typeEscaped: 4,
  /** The id holds escapes. */
  idEscaped: 8,
  /** No key of the payload is `__proto__` or has an escape. The flag may be missing from such a payload. */
  plainNames: 16,
  /** The stream began with a byte order mark, which was skipped. On its first line only. */
  afterMark: 32,
  /** The payload may contain an integer of 16 characters or more. The flag may be set for a payload without one. */
  longNumber: 64,
  /** The envelope has extra keys, within the bounds of {@link EnvelopeExtra}. */
  hasMeta: 128,
  /**
   * The extra keys stand between `ts` and `payload`, and the envelope up to there is byte for byte what this package
   * writes.
   */
  metaInPlace: 256,
} as const

/** Bounds of the extra keys of an envelope. Beyond them, all of its extra keys are ignored. */
export const EnvelopeExtra = {
  mostKeys: 32,
  /** Of all `"key":value`, in UTF-8. */
  mostBytes: 4096,
} as const

/** Indices of the words of a row, which belongs to the record of a line on a stream with fields. */
export const FieldWord = {
  /** As in the record. Written by TypeScript. */
  lineStart: 0,
  /** Of each field, where its value begins and ends; 0 and 0 if it is missing. Strings with their quotes. */
  first: 1,
  each: 2,
  /** Fields of a stream. */
  most: 16,
} as const

/** The outcome of checking one line. */
export const LineState = {
  message: 0,
  syntax: 1,
  encoding: 2,
  depth: 3,
  notAnObject: 4,
  typeMissing: 5,
  typeInvalid: 6,
  idInvalid: 7,
  timestampInvalid: 8,
  duplicateKey: 9,
  tooLarge: 10,
  truncated: 11,
  ambiguousKey: 12,
} as const

/** The state of a line that is a message; every other state is the index of its reason in {@link INVALID_REASONS}. */
export const MESSAGE_STATE = LineState.message
export const TOO_LARGE_STATE = LineState.tooLarge

const reasons: Readonly<
  Record<keyof typeof LineState, readonly [name: InvalidLineReason, sentence: string]>
> = {
  message: ['not-json', ''], // never read: the line is a message
  syntax: ['not-json', 'it is not JSON'],
  encoding: ['not-utf8', 'it is not UTF-8'],
  depth: ['too-deep', 'it is nested too deeply'],
  notAnObject: ['not-an-object', 'it is not a JSON object'],
  typeMissing: ['type-missing', 'it has no type'],
  typeInvalid: ['type-not-a-string', 'its type is not a string'],
  idInvalid: ['id-not-a-string', 'its id is not a string'],
  timestampInvalid: ['ts-not-an-integer', 'its ts is not an integer within 2^53'],
  duplicateKey: ['duplicate-key', 'an envelope key occurs twice'],
  tooLarge: ['too-large', 'it is too long'],
  truncated: ['truncated', 'the stream ended in the middle of it'],
  ambiguousKey: [
    'ambiguous-key',
    'a key differs from an envelope key only in case, and Go would take it for that key',
  ],
}

/** By {@link LineState}: a stable name, and a sentence for people. */
export const INVALID_REASONS: readonly (readonly [name: InvalidLineReason, sentence: string])[] =
  Object.entries(LineState)
    .sort(([, a], [, b]) => a - b)
    .map(([state]) => reasons[state as keyof typeof LineState])

/** The message types that have a number; 0 stands for any other. */
export const MessageTypeCode = { other: 0, event: 1, incident: 2, ack: 3, heartbeat: 4 } as const

/** Indices of the outcome of one step of a frame reader. */
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
  /** Set by TypeScript: messages own the window, so the addon must not read into it any more. */
  given: 5,
  /** 1: the rest of the lines, and other reads, wait for the next turn of the event loop. See {@link TurnCost}. */
  turnOver: 6,
  /** Set by TypeScript: the next turn is for lines that were kept, and reads nothing. */
  keptWait: 7,
  /**
   * Rounds in which all connections were read, modulo 2^32. 0: not counted (yet). See native/readiness/read_rounds.h.
   */
  rounds: 8,
  count: 9,
} as const

/** What one turn of the event loop may read, in units of about a microsecond of work, and what costs how much. */
export const TurnCost = {
  /** Of one turn. */
  units: 2048,
  /** A message costs 1. */
  refusedLine: 4,
  /** Once when they are read, once when their lines are checked. */
  bytesPerUnit: 512,
  read: 4,
  /** Of a stream. */
  end: 32,
} as const

/** In place of a number of bytes: nothing has arrived. */
export const NOTHING_RECEIVED = -0x8000_0000

/** In place of a number of records: attach a larger window, then read again. */
export const NO_ROOM = -1
/** In place of a number of records: the kernel may take bytes again. */
export const WRITABLE = -2

/** Bytes that one read takes, unless an unfinished line leaves no room for them. */
export const READ_BYTES = 112 << 10

/** Upper bound of the bytes that its number adds to a line. */
export const NUMBER_BYTES = 24

/** Indices of the description of one frame to be laid out. */
export const LayoutWord = {
  /** Length of its part of the text in UTF-16 units. */
  units: 0,
  /** A {@link MessageTypeCode}; {@link WHOLE_FRAME}: the text is the whole frame already. */
  type: 1,
  /** The id's milliseconds divided by 1,000,000. */
  idMillions: 2,
  /** Their remainder. */
  idRest: 3,
  /** The six digits that follow. */
  idSequence: 4,
  /** Seconds, not negative. */
  timestamp: 5,
  count: 6,
} as const

/** In place of a {@link MessageTypeCode}: the text is the whole frame already. */
export const WHOLE_FRAME = 0

/** Upper bound of the bytes that the envelope of a described frame takes, its payload excluded. */
export const ENVELOPE_BYTES = 96

/** Indices of the words through which receivers ask the event loop to poll, and see whether polling paid off. */
export const PollWord = {
  /** Microseconds to poll for the next message, unconditionally. */
  microseconds: 0,
  /** 1: poll for the usual time, provided that polling has paid off lately. */
  ifItPays: 1,
  /** Polls that ended with a message, modulo 2^32. */
  gained: 2,
  /** Polls that ended without one, modulo 2^32. */
  lost: 3,
  count: 4,
} as const

/** The outcome of asking the addon to watch a process. */
export const WATCH_STATES = ['watching', 'ended', 'not-supported'] as const
export type WatchState = (typeof WATCH_STATES)[number]

/** Why a call of the addon failed. */
export const FAILURE_KINDS = [
  'system',
  'would-block',
  'exhausted',
  'unsafe-path',
  'path-too-long',
  'address-in-use',
  'not-listening',
  'peer-unknown',
  'not-found',
  'not-supported',
] as const
export type FailureKind = (typeof FAILURE_KINDS)[number]

/** The decisions about a peer: admitted, or the rule that refused it. */
export const VERDICTS = [
  'admitted',
  'identity-unreadable',
  'no-user',
  'unmapped-user',
  'foreign-process',
  'not-listed',
  'executable-unknown',
  'executable-not-listed',
  'unit-unknown',
  'unit-not-listed',
  'label-unknown',
  'label-not-listed',
  'too-many-connections',
  'too-many-connections-of-user',
  'too-many-new-connections',
] as const satisfies readonly ('admitted' | RefusalReason)[]
