// Where a peer registry is kept between runs: an interface, and a file.

import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

import { isError } from '../../base/errors.js'
import { randomHex } from '../../base/crypto.js'
import { parseSnapshot, type RegistrySnapshot } from './peer-record.js'

/** Keeps what a {@link PeerRegistry} remembers. */
export interface RegistryStorage {
  /** Undefined: nothing was kept yet. */
  load(): Promise<RegistrySnapshot | undefined>
  save(snapshot: RegistrySnapshot): Promise<void>
}

/**
 * Keeps it in a file of mode 0600, which is replaced whole and synced to disk. Its directory must be one that only this
 * user can write to.
 */
export class FileRegistryStorage implements RegistryStorage {
  readonly path: string

  constructor(path: string) {
    if (typeof path !== 'string' || path === '') throw new TypeError('path must be a text that is not empty')
    this.path = path
  }

  /** @throws TypeError or SyntaxError when the file holds something else; system errors as they come */
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

  async save(snapshot: RegistrySnapshot): Promise<void> {
    const draft = `${this.path}.${randomHex(6)}`
    try {
      // Exclusive: a link that stands there is not followed.
      const file = await open(draft, 'wx', 0o600)
      try {
        await file.writeFile(JSON.stringify(snapshot))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, this.path)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
    if (process.platform === 'win32') return // which cannot sync a directory
    const directory = await open(dirname(this.path), 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }
}
