// The checks of the spool.

import type { Mutation } from './mutation.js'

const SPOOL = 'test/unit/spool/spool.test.ts'
const DAMAGE = 'test/unit/spool/damage.test.ts'
/** Those of DAMAGE that take little time. */
const QUICK = 'a torn end|a flipped bit|reading (?:from|that)'
const SEGMENTS = 'test/unit/spool/segments.test.ts'
const FULL = 'test/unit/spool/full-disk.test.ts'
const FAILED = 'test/unit/spool/failed-disk.test.ts'
const CLAIM = 'test/unit/spool/claim.test.ts'

const KILLED = 'A process that is killed'
const DAMAGED = 'A damaged or truncated spool'
const DISK = 'A full disk refuses messages'
const CLOCK = 'No clock that a user can set'

const spool = (file: string): string => `lib/spool/${file}.ts`

export const spoolMutations: readonly Mutation[] = [
  {
    name: 'a number is known to be used by the next process',
    claim: KILLED,
    file: spool('recovery'),
    from: 'this.#next = first + count\n  }\n\n  #closeGap',
    to: 'void count\n  }\n\n  #closeGap',
    tests: [CLAIM, SPOOL],
    named: 'model',
  },
  {
    name: 'send resolves once the record is written',
    claim: KILLED,
    file: spool('log-writer'),
    from: 'await this.#write(segment, buffers, jobs)',
    to: 'void this.#write(segment, buffers, jobs)',
    tests: [CLAIM, SPOOL],
  },
  {
    name: 'a body with a flipped bit is not taken',
    claim: DAMAGED,
    file: spool('log-reader'),
    from: 'return crc32(value.subarray(HEADER_BYTES)) === header.bodyChecksum ? value : undefined',
    to: 'return value',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'a header with a flipped bit is not taken',
    claim: DAMAGED,
    file: spool('record'),
    from: 'if (header.readUInt32LE(4) !== crc32(header.subarray(8))) return undefined',
    to: '',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'a body is checked when the spool is opened',
    claim: DAMAGED,
    file: spool('scan'),
    from: 'crc32(body) === header.bodyChecksum',
    to: 'header.bodyChecksum >= 0',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'damage is reported once',
    claim: DAMAGED,
    file: spool('recovery'),
    from: 'damages: this.#damages.filter((damage) => !reported.has(place(damage))),',
    to: 'damages: [...this.#damages, ...[]].filter((damage) => !reported.has(`${place(damage)}-`)),',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'the torn end is cut off',
    claim: DAMAGED,
    file: spool('recovery'),
    from: "if (torn && this.#access === 'write') {",
    to: "if (torn && this.#access !== 'write') {",
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'after a loss of power numbers are not used again',
    claim: DAMAGED,
    file: spool('recovery'),
    from: 'if (!torn) {',
    to: 'if (false) {',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'after a loss of power a session that did not wait for the disk ends',
    claim: DAMAGED,
    file: spool('spool-parts'),
    from: '(start.fsync || isSameBoot(system, last))',
    to: '(start.fsync || isSameBoot(system, last) || true)',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'messages lost to damage are counted',
    claim: DAMAGED,
    file: spool('waiting-records'),
    from: "onLost(lost, 'storage', damagedError(directory, lost))",
    to: 'void onLost',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'a disk that cannot be read gives up nothing',
    claim: DAMAGED,
    file: spool('log-reader'),
    from: 'if (begin === 0) throw error',
    to: '',
    tests: [DAMAGE],
    named: QUICK,
  },
  {
    name: 'a record that does not fit is rejected',
    claim: DISK,
    file: spool('log-writer'),
    from: 'for (const { onFailed } of failed) onFailed(error, false)',
    to: 'void failed',
    tests: [FULL],
  },
  {
    name: 'half a record does not stay on a full disk',
    claim: DISK,
    file: spool('log-writer'),
    from: '} catch (error) {\n      await this.#undo(segment, error)\n      throw error\n    }\n    if (!mustSync) return',
    to: '} catch (error) {\n      throw error\n    }\n    if (!mustSync) return',
    tests: [FULL],
  },
  {
    name: 'a record that could not be forced to the disk does not stay in the log',
    claim: DISK,
    file: spool('log-writer'),
    from: 'await this.#undo(segment, error)\n      if (!isNew)',
    to: 'if (!isNew)',
    tests: [FAILED],
  },
  {
    name: 'the removal of a failed record is on the disk before it is reported',
    claim: DISK,
    file: spool('log-writer'),
    from: 'if (this.#options.sync) await this.#files.sync(segment)',
    to: '',
    tests: [FAILED],
  },
  {
    name: 'a record that may be in the log is not reported as gone',
    claim: DISK,
    file: spool('log-writer'),
    from: 'onFailed(unknown, true)',
    to: 'onFailed(unknown, false)',
    tests: [FAILED],
  },
  {
    name: 'a spool that could not undo a write takes nothing more',
    claim: DISK,
    file: spool('log-writer'),
    from: 'for (const { onFailed } of this.#waiting.splice(0)) onFailed(this.#failure, false)\n      return',
    to: 'this.#failure = undefined',
    tests: [FAILED],
  },
  {
    name: 'settlements use the reserve of a full disk',
    claim: DISK,
    file: spool('log-writer'),
    from: '#hasReleased(): Promise<boolean> {\n    return ',
    to: '#hasReleased(): Promise<boolean> {\n    if (this.#files.directory !== "") return Promise.resolve(false)\n    return ',
    tests: [FULL],
  },
  {
    name: 'a number that was given to a record that failed is not used again',
    claim: DISK,
    file: spool('spool'),
    from: 'notes.add(first, first + count - 1)\n              }\n              reject(error)',
    to: '}\n              reject(error)',
    tests: [FULL],
  },
  {
    name: 'ages follow the time since boot',
    claim: CLOCK,
    file: spool('clock'),
    from: 'return this.baseMs + this.#system.sinceBootMs()',
    to: 'return this.#system.wallMs()',
    tests: [SEGMENTS],
  },
  {
    name: 'the wall clock is believed about a stop of the machine up to a bound',
    claim: CLOCK,
    file: spool('clock'),
    from: '(offMs > 0 ? Math.min(offMs, maxGapMs) : 0)',
    to: '(maxGapMs > 0 ? offMs : 0)',
    tests: [SEGMENTS],
  },
  {
    name: 'settled messages are recorded',
    file: spool('waiting-records'),
    from: 'if (settled > 0) this.#options.onGone(first, through)',
    to: '',
    tests: [SPOOL, SEGMENTS],
  },
  {
    name: 'a segment that holds messages is not deleted',
    file: spool('segment-cleaner'),
    from: 'segment === newest || segment.records > 0 ||',
    to: 'segment === newest ||',
    tests: [SPOOL, SEGMENTS],
  },
  {
    name: 'a segment that holds nothing is deleted',
    file: spool('segment-cleaner'),
    from: 'for (const segment of settled) this.#chore(this.#options.files.remove(segment))',
    to: '',
    tests: [SEGMENTS],
  },
  {
    name: 'an old segment that holds little is copied out',
    file: spool('segment-cleaner'),
    from: 'if (!this.#closed) this.#clear()',
    to: '',
    tests: [SEGMENTS],
  },
  {
    name: 'a large segment that is settled is left for a new one',
    file: spool('segment-cleaner'),
    from: 'if (newest?.records === 0 && newest.size > most) {',
    to: 'if (newest?.records === 0 && newest.size > most * 1e9) {',
    tests: [SEGMENTS],
  },
  {
    name: 'messages in flight are not given up for their age',
    file: spool('retention'),
    from: 'return durable && first > through',
    to: 'return durable && through >= 0',
    tests: [SPOOL],
  },
  {
    name: 'a record that is not durable is not given out',
    file: spool('waiting-records'),
    from: 'if (!entry.durable || (entries.length > 0',
    to: 'if ((entries.length > 0',
    tests: [SPOOL],
  },
  {
    name: 'lines that are settled are not given out again',
    file: spool('waiting-records'),
    from: ': { first, count, lines: blankLines(lines, gone), patchy: true },',
    to: ': { first, count, lines, patchy: true },',
    tests: [SPOOL, SEGMENTS],
  },
  {
    name: 'a closed spool is not read',
    file: spool('waiting-records'),
    from: "if (this.#closed) throw new IpcError('ERR_IPC_CLOSED', 'the spool is closed')",
    to: '',
    tests: [DAMAGE],
    named: QUICK,
  },
]
