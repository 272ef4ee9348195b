// Opens a spool's database: claims it for this process, reads what is there, and puts damage aside.

import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'

import { open, type RootDatabase } from 'lmdb'

import { IpcError } from '../base/errors.js'
import { bootId, processStart } from '../base/process-identity.js'
import { isSession, newSession } from '../delivery/protocol/control.js'
import {
  claimDirectory,
  missingBytes,
  salvage,
  setAside,
  setValueAside,
  type Salvage,
} from './spool-files.js'
import { SpoolIndex } from './spool-index.js'
import { decodeRecord } from './spool-record.js'

/** Damage that was found, and the file that the damaged part was put into. */
export interface SpoolDamage {
  /** `database`: all of it, and what could be read was kept. `record`: the messages of one record. */
  readonly what: 'database' | 'record'
  readonly path: string | undefined
  /** Number of the first message of a record. */
  readonly first?: number
  readonly error?: unknown
}

export interface SpoolState {
  readonly session: string
  readonly acknowledged: number
  readonly next: number
  /** The boot of the machine in which it was written, and whether all numbers that were sent were on disk before. */
  readonly boot: string
  readonly fsync: boolean
}

export type Database = RootDatabase<Buffer>

interface OpenedSpool {
  readonly db: Database
  readonly state: SpoolState
  readonly index: SpoolIndex
  /** Real path of the directory. */
  readonly path: string
}

export const STATE_KEY = 'state'
export const OWNER_KEY = 'owner'

/** What LMDB says of a file that is not, or not any more, a database (lmdb.h). */
const DAMAGE_CODES: readonly unknown[] = [-30797, -30796, -30795, -30794, -30793]

/** Real paths of the spools that are open in this thread. */
export const openDirectories = new Set<string>()

/** @throws {IpcError} ERR_IPC_UNSAFE_PATH, ERR_IPC_ADDRESS_IN_USE, ERR_IPC_SYSTEM */
export function openSpool(
  directory: string,
  fsync: boolean,
  onDamage: (damage: SpoolDamage) => void,
): OpenedSpool {
  checkPlatform()
  try {
    // So that all that stands above it is looked at.
    claimDirectory(resolve(directory))
    const path = realpathSync(directory)
    if (openDirectories.has(path)) throw inUse(directory, process.pid)
    const saved = checkLength(path, onDamage)
    const opened = openWhole(path, saved, fsync, onDamage)
    openDirectories.add(path)
    return opened
  } catch (cause) {
    if (cause instanceof IpcError) throw cause
    throw new IpcError('ERR_IPC_SYSTEM', `the spool in ${directory} cannot be opened`, { cause })
  }
}

/** Whose a directory is, and whether the process that had it last is still there, it can tell on Linux only. */
function checkPlatform(): void {
  if (process.platform === 'linux') return
  throw new IpcError('ERR_IPC_SYSTEM', `a spool in LMDB is made for Linux, and this is ${process.platform}`, {
    reason: 'spool-platform',
  })
}

/** A file that is too short is not mapped as it is. Answers what could be saved of a damaged one. */
function checkLength(directory: string, onDamage: (damage: SpoolDamage) => void): Salvage['entries'] {
  const missing = missingBytes(directory)
  if (missing === 0) return []
  const { entries, whole } =
    missing === 'no-database' ? { entries: [], whole: false } : salvage(directory, missing)
  if (whole) return []
  onDamage({ what: 'database', path: setAside(directory) })
  return entries
}

function openWhole(
  directory: string,
  saved: Salvage['entries'],
  fsync: boolean,
  onDamage: (damage: SpoolDamage) => void,
): OpenedSpool {
  const found: { key: string | number; value: Buffer }[] = [...saved]
  let db: Database | undefined
  try {
    db = openDatabase(directory)
    claim(db, directory)
    if (saved.length > 0) restore(db, saved)
    return { db, path: directory, ...readAll(db, directory, found, fsync, onDamage) }
  } catch (error) {
    void db?.close()
    if (!DAMAGE_CODES.includes((error as { code?: unknown }).code)) throw error
    onDamage({ what: 'database', path: setAside(directory), error })
  }
  db = openDatabase(directory)
  claim(db, directory)
  restore(db, found)
  return { db, path: directory, ...readAll(db, directory, [], fsync, onDamage) }
}

function openDatabase(path: string): Database {
  // Commits resolve when a kill cannot undo them; that they are on disk comes separately.
  return open<Buffer>({ path, encoding: 'binary', noSubdir: false, separateFlushed: true })
}

function restore(db: Database, entries: Salvage['entries']): void {
  db.transactionSync(() => {
    for (const { key, value } of entries) if (key !== OWNER_KEY) void db.put(key, Buffer.from(value))
  })
}

function readAll(
  db: Database,
  directory: string,
  found: { key: string | number; value: Buffer }[],
  fsync: boolean,
  onDamage: (damage: SpoolDamage) => void,
): { state: SpoolState; index: SpoolIndex } {
  const index = new SpoolIndex()
  const state = readState(db.get(STATE_KEY))
  if (state !== undefined) found.push({ key: STATE_KEY, value: Buffer.from(JSON.stringify(state)) })
  let next = Math.max(state?.next ?? 1, (state?.acknowledged ?? 0) + 1)
  const damaged: number[] = []
  for (const { key, value } of db.getRange()) {
    if (typeof key !== 'number') continue
    const record = Number.isSafeInteger(key) && key > 0 ? decodeRecord(value) : undefined
    if (record === undefined) {
      onDamage({ what: 'record', first: key, path: setValueAside(directory, key, value) })
      damaged.push(key)
      continue
    }
    found.push({ key, value: Buffer.from(value) })
    index.add(key, record, record.lines.length).durable = true
    next = Math.max(next, key + record.count)
  }
  const boot = bootId() ?? ''
  // After a loss of power the last numbers may be gone that were sent already. In a new session nobody takes the messages
  // that get them now for those.
  const goesOn = state !== undefined && (state.fsync || state.boot === boot)
  const session = goesOn ? state.session : newSession()
  const now = { session, acknowledged: state?.acknowledged ?? 0, next, boot, fsync }
  db.transactionSync(() => {
    for (const key of damaged) void db.remove(key)
    void db.put(STATE_KEY, Buffer.from(JSON.stringify(now)))
  })
  return { state: now, index }
}

function readState(value: Buffer | undefined): SpoolState | undefined {
  const { session, acknowledged, next, boot, fsync } = parse(value)
  if (!isSession(session) || !Number.isSafeInteger(acknowledged) || !Number.isSafeInteger(next))
    return undefined
  return {
    session,
    acknowledged: acknowledged as number,
    next: next as number,
    boot: String(boot),
    fsync: fsync === true,
  }
}

function parse(value: Buffer | undefined): Record<string, unknown> {
  try {
    return { ...(JSON.parse(value?.toString('utf8') ?? '{}') as object) }
  } catch {
    return {}
  }
}

/** Two processes with one spool would give the same numbers to different messages. */
function claim(db: Database, directory: string): void {
  const owner = { pid: process.pid, started: processStart(process.pid) }
  db.transactionSync(() => {
    const { pid, started } = parse(db.get(OWNER_KEY))
    // A process id is reused; the moment of its start is not.
    if (typeof pid === 'number' && typeof started === 'string' && processStart(pid) === started) {
      throw inUse(directory, pid)
    }
    void db.put(OWNER_KEY, Buffer.from(JSON.stringify(owner)))
  })
}

function inUse(directory: string, pid: number): IpcError {
  return new IpcError('ERR_IPC_ADDRESS_IN_USE', `the spool in ${directory} is open in process ${pid}`, {
    reason: 'spool-in-use',
  })
}
