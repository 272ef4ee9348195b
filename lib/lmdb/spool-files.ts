// The directory of a spool and its files: whose they are, whether they are whole, and what to do when they are not.
// Must not know what the values mean.

import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  type Stats,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { IpcError } from '../base/errors.js'

const DATA = 'data.mdb'
const LOCK = 'lock.mdb'
/** Where a sound copy of a damaged database is made. */
const COPY = 'copy'
/** How long a damaged file is, while it is made longer to be read. */
const LENGTH = 'length-while-salvaging'

/** Makes the directory where it is absent; refuses one that others own or may use. */
export function claimDirectory(directory: string): void {
  if (!existsSync(directory)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    syncDirectory(dirname(directory))
  }
  checkOwn(directory, 0o077, (stats) => stats.isDirectory())
  for (const above of ancestorsOf(directory)) {
    const { uid, mode } = statSync(above)
    const foreign = uid !== 0 && uid !== process.geteuid?.()
    // In a sticky directory nobody but its owner can rename what is ours.
    if (foreign || ((mode & 0o022) !== 0 && (mode & 0o1000) === 0)) {
      throw unsafe(above, 'another user could put something else in place of what is below it')
    }
  }
  for (const file of [DATA, LOCK]) {
    const path = join(directory, file)
    // LMDB would make them with the mode that the umask leaves.
    if (!existsSync(path)) closeSync(openSync(path, 'wx', 0o600))
    checkOwn(path, 0o077, (stats) => stats.isFile() && stats.nlink === 1)
  }
  syncDirectory(directory)
}

/** So that what was made or renamed in it is there after a loss of power. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function* ancestorsOf(directory: string): Generator<string> {
  for (let at = directory; at !== dirname(at); at = dirname(at)) yield dirname(at)
}

function checkOwn(path: string, forbidden: number, isRight: (stats: Stats) => boolean): void {
  const stats = lstatSync(path)
  if (!isRight(stats)) throw unsafe(path, 'it is not what it should be')
  if (stats.uid !== process.geteuid?.()) throw unsafe(path, 'it belongs to another user')
  if ((stats.mode & forbidden) !== 0) throw unsafe(path, 'others may use it')
}

function unsafe(path: string, why: string): IpcError {
  return new IpcError('ERR_IPC_UNSAFE_PATH', `${path} is no place for a spool: ${why}`, {
    reason: 'unsafe-spool',
  })
}

/** Where the first meta page says that it is one (mdb.c: MDB_meta), and what it says there. */
const MAGIC = 0xbeefc0de
const META_BYTES = 24 + 136

/**
 * Bytes that LMDB thinks the file has, by its newer meta page; undefined when there is none. A page that is mapped and not
 * there would end the process with SIGBUS.
 */
export function missingBytes(directory: string): number | 'no-database' {
  const path = join(directory, DATA)
  restoreLength(directory)
  const { size } = statSync(path)
  if (size === 0) return 0
  const descriptor = openSync(path, 'r')
  try {
    let newest = -1n
    let expected = 0
    const meta = Buffer.alloc(META_BYTES)
    for (let page = 0, pageBytes = 4096; page < 2; ++page) {
      if (readSync(descriptor, meta, 0, META_BYTES, page * pageBytes) < META_BYTES) continue
      if (meta.readUInt32LE(24) !== MAGIC) continue
      pageBytes = meta.readUInt32LE(24 + 24)
      const transaction = meta.readBigUInt64LE(24 + 128)
      if (transaction <= newest) continue
      newest = transaction
      expected = (Number(meta.readBigUInt64LE(24 + 120)) + 1) * pageBytes
    }
    return newest < 0n ? 'no-database' : Math.max(0, expected - size)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Reads what can be read, in a process of its own that may die of it: [key, length, value] one after the other. Then
 * writes all of it to a new database, and is done.
 */
const SALVAGE = `
const { open } = require(process.argv[1])
const { writeSync } = require('node:fs')
const [path, copyPath] = process.argv.slice(2)
const db = open({ path, encoding: 'binary', noSubdir: false, readOnly: true })
const entries = []
for (const { key, value } of db.getRange()) {
  entries.push([key, Buffer.from(value)])
  const head = Buffer.from(JSON.stringify([key, value.length]) + '\\n')
  for (let all = Buffer.concat([head, value]); all.length > 0; ) all = all.subarray(writeSync(1, all))
}
// A page that is missing reads as an empty one.
if (db.getStats().entryCount !== entries.length) process.exit(2)
const copy = open({ path: copyPath, encoding: 'binary', noSubdir: false })
copy.transactionSync(() => { for (const [key, value] of entries) copy.put(key, value) })
copy.flushed.then(() => copy.close()).then(() => process.exit(0), () => process.exit(1))
`

export interface Salvage {
  readonly entries: readonly { readonly key: string | number; readonly value: Buffer }[]
  /** Nothing was missing of what the spool holds, and a sound copy has taken the database's place. */
  readonly whole: boolean
}

/** Should this process die while a file is longer than it was, the next one must find it too short again. */
function restoreLength(directory: string): void {
  const note = join(directory, LENGTH)
  if (!existsSync(note)) return
  const [size, inode] = readFileSync(note, 'utf8').split(' ').map(Number)
  const path = join(directory, DATA)
  // Not if a sound copy has taken its place already.
  if (size !== undefined && size > 0 && statSync(path).ino === inode) truncateSync(path, size)
  rmSync(note)
}

/** What can be read of a file that is too short. Makes it as long as LMDB thinks, so that it can be mapped. */
export function salvage(directory: string, missing: number): Salvage {
  const path = join(directory, DATA)
  const copyDirectory = join(directory, COPY)
  const { size, ino } = statSync(path)
  writeFileSync(join(directory, LENGTH), `${size} ${ino}`, { mode: 0o600 })
  truncateSync(path, size + missing)
  rmSync(copyDirectory, { recursive: true, force: true })
  claimDirectory(copyDirectory)
  const lmdb = createRequire(import.meta.url).resolve('lmdb')
  const { stdout, status } = spawnSync(process.execPath, ['-e', SALVAGE, lmdb, directory, copyDirectory], {
    maxBuffer: 2 ** 31 - 1,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const entries: { key: string | number; value: Buffer }[] = []
  for (let at = 0; ;) {
    const end = stdout.indexOf(10, at)
    if (end < 0) break
    const [key, length] = JSON.parse(stdout.toString('utf8', at, end)) as [string | number, number]
    if (end + 1 + length > stdout.length) break
    entries.push({ key, value: stdout.subarray(end + 1, end + 1 + length) })
    at = end + 1 + length
  }
  if (status === 0) {
    // What LMDB knows of free pages may be among what is missing, and writing to such a file would end the process.
    renameSync(join(copyDirectory, DATA), path)
    rmSync(join(directory, LOCK), { force: true })
    claimDirectory(directory)
    syncDirectory(directory)
  }
  restoreLength(directory)
  rmSync(copyDirectory, { recursive: true, force: true })
  return { entries, whole: status === 0 }
}

/** Renames the database, so that a new one can take its place; answers what it is called now. */
export function setAside(directory: string): string {
  const aside = join(directory, `${DATA}.damaged-${stamp()}`)
  renameSync(join(directory, DATA), aside)
  rmSync(join(directory, LOCK), { force: true })
  claimDirectory(directory)
  return aside
}

/** Writes a damaged value to a file of its own; answers its name. */
export function setValueAside(directory: string, key: number, value: Buffer): string {
  const aside = join(directory, `record-${key}.damaged-${stamp()}`)
  writeFileSync(aside, value, { mode: 0o600, flag: 'wx' })
  return aside
}

let stamps = 0

function stamp(): string {
  return `${new Date().toISOString().replace(/[:.]/g, '-')}-${process.pid}-${stamps++}`
}
