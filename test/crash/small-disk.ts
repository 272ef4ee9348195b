// A small disk for the spool of the crash run, which is filled up now and then. Needs root, to mount it.

import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export class SmallDisk {
  readonly directory: string
  readonly #filler: string

  constructor(parent: string) {
    this.directory = join(parent, 'disk')
    this.#filler = join(this.directory, 'filler')
    mkdirSync(this.directory)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'tmpfs', this.directory])
  }

  fill(): void {
    const descriptor = openSync(this.#filler, 'a')
    for (const bytes of [Buffer.alloc(65_536), Buffer.alloc(512)]) {
      try {
        for (;;) writeSync(descriptor, bytes)
      } catch {
        // full
      }
    }
    closeSync(descriptor)
  }

  free(): void {
    rmSync(this.#filler, { force: true })
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.directory])
  }
}
