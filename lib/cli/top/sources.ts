// The processes that top watches: found by name or by their sockets, read once per interval, and dialled again when
// they return.

import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'

import { describeError, hasCode } from '../../base/errors.js'
import type { DialOptions } from '../../connection/dial.js'
import type { StatsReader } from '../../stats/stats-reader.js'
import type { StatsSnapshot } from '../../stats/snapshot.js'
import type { Library } from '../kit/load.js'
import { viewOf, type View } from './rates.js'

/** Processes shown at once. */
const MOST = 64

/** Returns the names of the processes that expose their counts, in a directory or at the default addresses. */
export function discover(library: Library, options: DialOptions): readonly string[] {
  if (process.platform === 'win32') return []
  const address = library.resolveAddress('NAME.stats', options)
  const directory = dirname(address)
  const [before = '', after = ''] = address.slice(directory.length).replace(/^\//, '').split('NAME')
  try {
    return readdirSync(directory)
      .filter((file) => file.startsWith(before) && file.endsWith(after))
      .map((file) => file.slice(before.length, -after.length))
      .filter((name) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
      .sort()
      .slice(0, MOST)
  } catch {
    return []
  }
}

/** One process. */
class Source {
  readonly name: string
  readonly #library: Library
  readonly #options: DialOptions
  #reader: StatsReader | undefined
  #last: StatsSnapshot | undefined

  constructor(name: string, library: Library, options: DialOptions) {
    this.name = name
    this.#library = library
    this.#options = options
  }

  async read(timeoutMs: number): Promise<View> {
    try {
      this.#reader ??= await this.#library.openStats(this.name, { ...this.#options, timeoutMs })
      const now = await this.#reader.read({ timeoutMs })
      const view = viewOf(now, this.#last)
      this.#last = now
      // The name that it was found by: the one in the snapshot could be that of another process.
      return { ...view, name: this.name }
    } catch (error) {
      this.close()
      return {
        name: this.name,
        error: hasCode(error, 'ERR_IPC_NOT_LISTENING') ? 'not there' : describeError(error),
      }
    }
  }

  close(): void {
    this.#reader?.close()
    this.#reader = undefined
    this.#last = undefined
  }
}

/** All processes that are watched. */
export class Sources {
  readonly #library: Library
  readonly #options: DialOptions
  readonly #names: readonly string[]
  readonly #sources = new Map<string, Source>()

  /** @param names if empty, all processes that expose their counts, found anew at each read */
  constructor(library: Library, options: DialOptions, names: readonly string[]) {
    this.#library = library
    this.#options = options
    this.#names = names
  }

  /** Reads all processes at once; each takes at most `timeoutMs`. */
  async read(timeoutMs: number): Promise<readonly View[]> {
    const names = this.#names.length > 0 ? this.#names : discover(this.#library, this.#options)
    for (const [name, source] of this.#sources) {
      if (names.includes(name)) continue
      source.close()
      this.#sources.delete(name)
    }
    return Promise.all(
      names.map((name) => {
        let source = this.#sources.get(name)
        if (source === undefined)
          this.#sources.set(name, (source = new Source(name, this.#library, this.#options)))
        return source.read(timeoutMs)
      }),
    )
  }

  close(): void {
    for (const source of this.#sources.values()) source.close()
    this.#sources.clear()
  }
}
