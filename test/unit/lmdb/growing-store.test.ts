// A fact store that another process adds to while this one opens it: it is whole at any time.

import type * as FileSystem from 'node:fs'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'

import { openFactFiles } from '../../../lib/lmdb/fact-files.js'
import { LmdbFactStore } from '../../../lib/lmdb/fact-store.js'
import { temporaryDirectory } from '../../support/directory.js'
import { facts } from '../../support/facts.js'

const meanwhile = vi.hoisted(() => ({ beforeRead: (): void => undefined }))

vi.mock('node:fs', async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>()
  const readSync = (...parameters: Parameters<typeof FileSystem.readSync>): number => {
    meanwhile.beforeRead()
    return original.readSync(...parameters)
  }
  return { ...original, readSync }
})

async function storeOf(count: number): Promise<string> {
  const path = join(temporaryDirectory(), `facts-${count}`)
  const store = await LmdbFactStore.open(path)
  await store.addBatch(facts(count))
  await store.close()
  return path
}

it('a store that grows while its length is checked is not taken for one that was cut short', async () => {
  const path = await storeOf(10)
  const larger = await storeOf(5_000)
  const grow = vi.fn(() => {
    copyFileSync(join(larger, 'data.mdb'), join(path, 'data.mdb'))
  })
  meanwhile.beforeRead = grow
  const files = await openFactFiles(path)
  files.close()
  expect(files.path).toBe(path)
  expect(grow).toHaveBeenCalled()
})
