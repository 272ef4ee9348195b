// What the commands that send report about messages whose fate only the spool knows.

import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'

import { AbortController } from '../../lib/base/globals.js'
import { loadLibrary } from '../../lib/cli/kit/load.js'
import { openOutlet } from '../../lib/cli/kit/outlet.js'
import { LogFiles } from '../../lib/spool/log-files.js'
import { temporaryDirectory } from '../support/directory.js'
import { numbered } from '../support/messages.js'
import { rejectionOf } from '../support/wait.js'

it('messages that a failed disk may have stored are unconfirmed, and those before them wait in the spool', async () => {
  const directory = temporaryDirectory()
  const options = {
    acknowledged: true,
    spool: join(directory, 'spool'),
    retries: 1,
    timeoutMs: 100,
    signal: new AbortController().signal,
  }
  const address = { name: 'test', options: { directory } }
  const open = async (): ReturnType<typeof openOutlet> =>
    openOutlet(await loadLibrary(), address, { directory, timeoutMs: 100 }, options)
  const outlet = await open()
  onTestFinished(() => void vi.restoreAllMocks())
  await outlet.send(numbered(2))
  expect(outlet.result()).toMatchObject({ spooled: 2, unconfirmed: 0 })
  vi.spyOn(LogFiles.prototype, 'write').mockRejectedValueOnce(new Error('EIO'))
  vi.spyOn(LogFiles.prototype, 'truncate').mockRejectedValue(new Error('EIO'))
  const unknown = rejectionOf(outlet.send(numbered(3, 2)))
  expect(outlet.result()).toMatchObject({ spooled: 2, unconfirmed: 3 })
  expect(await unknown).toMatchObject({ reason: 'maybe-kept' })
  expect(outlet.result()).toMatchObject({ spooled: 2, unconfirmed: 3 })
  await rejectionOf(outlet.send(numbered(4, 5))) // refused: never accepted
  const result = await outlet.close(100)
  expect(result).toMatchObject({ spooled: 2, unconfirmed: 3, acknowledged: 0 })
  expect(result.error).toBeDefined()

  // What an earlier process left in the spool is confirmed.
  vi.restoreAllMocks()
  const next = await open()
  await next.send(numbered(1, 5))
  const { spooled, unconfirmed } = await next.close(100)
  expect([spooled, unconfirmed]).toEqual([3, 0])
})
