// What a block of commands runs in: a directory in place of that of the page, the programs that a reader has, and what may differ
// in the lines that it prints.

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'

import { main } from '../../cli/support/command.js'
import { temporaryDirectory } from '../../support/directory.js'
import { blocksOf } from '../../support/pages.js'

/** What surrounds a block. `directory` is that of the sockets, where a page says /run/soc. */
export interface Surroundings {
  readonly page: string
  /** A line of the block. */
  readonly has: string
  readonly setUp?: (directory: string) => Promise<void> | void
  readonly instead?: (directory: string) => Readonly<Record<string, string>>
}

/** A folder with the programs that a reader has in the PATH. */
export function withPrograms(): string {
  const folder = temporaryDirectory()
  const programs = { 'sentinel-ipc': `exec '${process.execPath}' '${main}' "$@"`, npx: 'exec "$@"' }
  for (const [name, line] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${line}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return `${folder}:${process.env['PATH'] ?? ''}`
}

export function textOf({ page, has, instead }: Surroundings, kind: string, directory: string): string {
  let text = blocksOf(page, kind).find((block) => block.text.includes(has))?.text ?? ''
  expect(text, `${page} has a block with ${has}`).not.toBe('')
  for (const [from, to] of Object.entries(instead?.(directory) ?? {})) {
    expect(text).toContain(from)
    text = text.replaceAll(from, to)
  }
  return text.replaceAll('/run/soc', directory)
}

/** A line without what changes from run to run. */
export function constantPart(line: string): string {
  return line
    .replaceAll(/[0-9a-f]{32}/g, 'H')
    .replaceAll(/\d+(?:[.,]\d+)*[kMG]?/g, 'N')
    .replaceAll(/\b(?:under )?N (?:µs|ms|s|min N s|B|KiB|MiB|GiB)(?![a-z])/g, 'N unit')
    .replaceAll(/(?<= )-(?= |$)/g, 'N unit')
    .replaceAll(/[█▏▎▍▌▋▊▉]+/g, '')
    .replaceAll(/ +/g, ' ')
    .trim()
}
