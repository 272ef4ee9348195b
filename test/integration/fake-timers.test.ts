// Fake timers of test runners (jest, sinon, vitest, node:test) replace globals. The time of the code under test stands
// still then; I/O must go on.

import { expect, it } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

it('sends, receives, retries and closes while the global timers and clocks stand still', async () => {
  const child = startChild('fake-globals', { directory: temporaryDirectory() })
  expect(await child.report()).toEqual({ received: [1, 2, 3, 5], status: 'acknowledged' })
  expect(await child.exited).toEqual([0, null])
})
