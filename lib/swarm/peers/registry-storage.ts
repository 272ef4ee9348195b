// Where a peer registry is kept between runs: the interface, and its implementation in a file. Must not know what the
// registry does.

import { fstat, fsync, read, write } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { promisify } from 'node:util'

import { parseJson } from '../../base/json.js'
import { isError } from '../../base/errors.js'
import { randomHex } from '../../base/crypto.js'
import { text } from '../../base/options.js'
import { fromNative } from '../../binding/native-error.js'
import { PrivateDirectory } from '../../binding/private-directory.js'
import { parseSnapshot, type RegistrySnapshot } from './peer-record.js'

const statFile = promisify(fstat)
const syncFile = promisify(fsync)
const readFile = promisify(read)
const writeFile = promisify(write)

/** About how much text is written at a time. */
const WRITE_UNITS = 1 << 18

/** Keeps what a {@link PeerRegistry} remembers. */
export interface RegistryStorage {
  /** Returns the snapshot saved last; undefined if there is none. */
  load(): Promise<RegistrySnapshot | undefined>
  /** Saves a snapshot. Resolves when it is durable. The registry makes one call at a time. */
  save(snapshot: RegistrySnapshot): Promise<void>
}

/**
 * Keeps the registry in a JSON file of mode 0600, which is replaced as a whole and synced to the disk. Its directory is
 * made with mode 0700 if it is absent; it must belong to this user alone.
 */
export class FileRegistryStorage implements RegistryStorage {
  /** The path of the file. */
  readonly path: string

  /**
   * @param path of the file; a relative path is resolved now
   * @throws TypeError if `path` is not a non-empty string
   */
  constructor(path: string) {
    text(path, 'FileRegistryStorage: path')
    this.path = resolve(path)
  }

  /**
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH (another user could read, replace or redirect the file or its directory),
   *   ERR_IPC_SYSTEM
   * @throws TypeError, SyntaxError if the file holds something else
   */
  async load(): Promise<RegistrySnapshot | undefined> {
    const content = await this.#within({ create: false }, async (files) => {
      const descriptor = await files.openFile(basename(this.path), 'read')
      const { size } = await statFile(descriptor)
      return readAll(descriptor, size)
    }).catch((error: unknown) => {
      if (isAbsent(error)) return undefined
      throw error
    })
    return content === undefined ? undefined : parseSnapshot(parseJson(content))
  }

  /** @throws {IpcError} ERR_IPC_UNSAFE_PATH, ERR_IPC_SYSTEM; system errors of Node. The file is then as it was */
  async save(snapshot: RegistrySnapshot): Promise<void> {
    await this.#within({ create: true }, async (files) => {
      const draft = `${basename(this.path)}.${randomHex(6)}`
      try {
        const descriptor = await files.openFile(draft, 'create')
        for (const piece of piecesOf(jsonOf(snapshot))) await writeAll(descriptor, piece)
        await syncFile(descriptor)
        files.closeFile(descriptor)
        await files.renameFile(draft, basename(this.path))
      } catch (error) {
        await files.removeFile(draft).catch(() => undefined)
        throw error
      }
      await files.sync()
    })
  }

  async #within<T>(how: { create: boolean }, action: (files: PrivateDirectory) => Promise<T>): Promise<T> {
    let files: PrivateDirectory | undefined
    try {
      files = await PrivateDirectory.open(dirname(this.path), how)
      return await action(files)
    } catch (error) {
      throw fromNative(error)
    } finally {
      files?.close()
    }
  }
}

/** Whether an error says that the file or its directory does not exist. */
function isAbsent(error: unknown): boolean {
  return isError(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}

async function readAll(descriptor: number, size: number): Promise<string> {
  const bytes = Buffer.allocUnsafe(size)
  let filled = 0
  while (filled < size) {
    const { bytesRead } = await readFile(descriptor, bytes, filled, size - filled, filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.toString('utf8', 0, filled)
}

async function writeAll(descriptor: number, content: string): Promise<void> {
  const bytes = Buffer.from(content)
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await writeFile(descriptor, bytes, written, bytes.length - written, null)
    written += bytesWritten
  }
}

/** Joins texts into pieces large enough for a write each. */
function* piecesOf(texts: Iterable<string>): Generator<string> {
  let waiting = ''
  for (const part of texts) {
    waiting += part
    if (waiting.length < WRITE_UNITS) continue
    yield waiting
    waiting = ''
  }
  yield waiting
}

/**
 * Yields the JSON of a snapshot in pieces of one peer or backup each, at most 1 Mi UTF-16 units before escapes: data
 * from peers can amount to tens of millions of units, and encoding all of it at once would block the event loop.
 */
function* jsonOf({ version, selfId, ...lists }: RegistrySnapshot): Generator<string> {
  yield `{"version":${version},"selfId":${JSON.stringify(selfId)}`
  for (const name of ['peers', 'genes', 'backups'] as const) {
    yield `,${JSON.stringify(name)}:[`
    let separator = ''
    for (const entry of lists[name]) {
      yield separator + JSON.stringify(entry)
      separator = ','
    }
    yield ']'
  }
  yield '}'
}
