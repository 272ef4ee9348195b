// worker.terminate() in the middle of a call of the addon ends that worker, and never the process.

import { describe, expect, it } from 'vitest'

import { addon } from '../../lib/binding/addon.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

/** Workers terminated in each function; 300 take some minutes. */
const ROUNDS = Number(process.env['TERMINATION_ROUNDS'] ?? 24)

interface Report {
  readonly names: string[]
  readonly exported: string[]
}

const FUNCTIONS = [
  ...[
    'abi',
    'connect',
    'findGone',
    'sendDatagram',
    'addressOf',
    'fileAt',
    'ownUser',
    'resolveUser',
    'resolveGroup',
    'resolveSid',
  ],
  ...[
    'Acceptor',
    'Acceptor.take',
    'Acceptor.takeRefusals',
    'Acceptor.stats',
    'Acceptor.boundFile',
    'Acceptor.takeNotifyDescriptor',
    'Acceptor.restart',
  ],
  ...[
    'PeerWatcher',
    'layOutFrames',
    'numberLines',
    'checkFrames',
    'writeBatch',
    'attachRecords',
    'attachFieldRows',
    'attachWindow',
  ],
  ...['openReader', 'closeReader', 'readRecords', 'pushRecords', 'moreRecords', 'finishRecords', 'beginTurn'],
  ...['readiness', 'readiness.start', 'suspendRecords', 'sinceBoot', 'files'],
]

/** The functions that some of these cases call, beside the one they are named after. */
const COVERED: Readonly<Record<string, readonly string[]>> = {
  sinceBoot: ['millisecondsSinceBoot', 'bootId'],
  files: [
    ...['openDirectory', 'listDirectory', 'syncDirectory', 'closeDirectory'],
    ...['openFile', 'closeFile', 'checkFile', 'renameFile', 'removeFile'],
  ],
}

describe(`a worker that is terminated, ${ROUNDS} times, within`, () => {
  it.each(FUNCTIONS)(
    '%s ends alone',
    async (name) => {
      const child = startChild('terminating', { name, directory: temporaryDirectory(), rounds: ROUNDS })
      const { names } = await child.report<Report>()
      expect(names).toContain(name)
      expect(await child.report()).toBe('survived')
      expect(await child.exited).toEqual([0, null])
    },
    600_000,
  )

  it('any function of the addon', () => {
    const tried = new Set(FUNCTIONS.flatMap((name) => COVERED[name] ?? name.split('.').slice(0, 1)))
    expect(Object.keys(addon).filter((name) => !tried.has(name))).toEqual([])
  })
})
