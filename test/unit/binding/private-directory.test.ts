// The files of a private directory in a worker thread, where Node tracks the descriptors that node:fs opens.

import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../../support/directory.js'

const script = fileURLToPath(new URL('../../../out/test/support/children/file-worker.js', import.meta.url))

it('a file that is closed in a worker causes no warning', async () => {
  const worker = new Worker(script, { workerData: { directory: join(temporaryDirectory(), 'files') } })
  onTestFinished(async () => {
    await worker.terminate()
  })
  expect(await once(worker, 'message')).toEqual([[]])
})
