// Where a peer registry is kept between runs: the interface, and its implementation in a file. Must not know what the
// registry does.

import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

import { isError } from '../../base/errors.js'
import { randomHex } from '../../base/crypto.js'
import { parseSnapshot, type RegistrySnapshot } from './peer-record.js'

/** About how much text is written at a time. */
const WRITE_UNITS = 1 << 18

/** Keeps what a {@link PeerRegistry} remembers. */
export interface RegistryStorage {
  /** Returns the snapshot saved last; undefined if there is none. */
  load(): Promise<RegistrySnapshot | undefined>
  /** Saves a snapshot; resolves once it is safe. Called again only after that. */
  save(snapshot: RegistrySnapshot): Promise<void>
}

/**
 * Keeps the registry in a JSON file of mode 0600, which is replaced as a whole and synced to the disk. The directory of the
 * file must be writable by this user only.
 */
export class FileRegistryStorage implements RegistryStorage {
  /** The path of the file. */
  readonly path: string

  /**
   * @param path of the file; a relative path is resolved now
   * @throws TypeError if `path` is not a non-empty string
   */
  constructor(path: string) {
    if (typeof path !== 'string' || path === '') throw new TypeError('path must be a non-empty string')
    this.path = resolve(path)
  }

  /** @throws TypeError, SyntaxError if the file holds something else; system errors of Node otherwise */
  async load(): Promise<RegistrySnapshot | undefined> {
    let text
    try {
      text = await readFile(this.path, 'utf8')
    } catch (error) {
      if (isError(error) && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
    return parseSnapshot(JSON.parse(text))
  }

  /** @throws system errors of Node; the file is then as it was */
  async save(snapshot: RegistrySnapshot): Promise<void> {
    const draft = `${this.path}.${randomHex(6)}`
    try {
      // Exclusive, so that a link in its place is not followed.
      const file = await open(draft, 'wx', 0o600)
      try {
        let waiting = ''
        for (const text of jsonOf(snapshot)) {
          waiting += text
          if (waiting.length < WRITE_UNITS) continue
          await file.writeFile(waiting)
          waiting = ''
        }
        await file.writeFile(waiting)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, this.path)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
    if (process.platform === 'win32') return // Windows cannot sync a directory.
    const directory = await open(dirname(this.path), 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }
}

/**
 * Yields the JSON of a snapshot in pieces of one peer or backup each, at most 1 Mi UTF-16 units before escapes: what peers sent
 * can amount to tens of millions of units, and writing those in one go would block the event loop.
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
