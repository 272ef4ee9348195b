// What a refusal by the file permissions says, and when it counts as one.

import { chmodSync, chownSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { explainDenial } from '../../../lib/connection/access-denied.js'
import { IpcError } from '../../../lib/base/errors.js'
import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'

const root = process.getuid?.() === 0
const ALICE = 23_456
const GROUP = 34_567

interface Failed {
  readonly failed: { readonly code: string; readonly message: string; readonly cause: string }
}

async function failureAs(
  role: 'dial' | 'listen',
  directory: string,
  options: { readonly mode?: number; readonly group?: number } = {},
): Promise<Failed['failed']> {
  const become = { uid: ALICE, gid: ALICE, groups: [ALICE] }
  const child = startChild('endpoint', {
    role,
    directory,
    ...options,
    policy: { users: [role === 'dial' ? 0 : ALICE] },
    become,
  })
  return (await child.report<Failed>()).failed
}

describe.skipIf(!root)(
  `ERR_IPC_ACCESS_DENIED${root ? '' : ' (skipped: needs root to be another user)'}`,
  () => {
    it('says whose the socket is, who this process is, and what to change', async () => {
      const directory = temporaryDirectory()
      chmodSync(directory, 0o755)
      await listening(directory, { mode: 0o660, group: GROUP })
      expect(await failureAs('dial', directory)).toEqual({
        code: 'ERR_IPC_ACCESS_DENIED',
        cause: 'EACCES',
        message:
          `dialling ${directory}/test.sock is not permitted (connect EACCES): ` +
          `the socket belongs to uid 0, gid ${GROUP} and has mode 0660; ` +
          `this process runs as uid ${ALICE}, gid ${ALICE}, groups ${ALICE}. ` +
          'Have the listener use mode 0o660 with a group of this process, or 0o666, and name this user in its policy. ' +
          'If these permissions do allow it, a security module or sandbox refuses.',
      })
    })

    it('names the directory on the way that may not be searched', async () => {
      const directory = temporaryDirectory()
      await listening(directory, { mode: 0o666 })
      const { code, message } = await failureAs('dial', directory)
      expect(code).toBe('ERR_IPC_ACCESS_DENIED')
      expect(message).toContain(
        `the directory ${directory} belongs to uid 0, gid 0 and has mode 0700; this process`,
      )
      expect(message).toContain('search the directory (chmod +x)')
    })

    it('names the directory in which a listener may not make its socket', async () => {
      const directory = temporaryDirectory()
      chmodSync(directory, 0o755)
      const { code, message } = await failureAs('listen', directory)
      expect(code).toBe('ERR_IPC_ACCESS_DENIED')
      expect(message).toContain(`listening at ${directory}/test.sock is not permitted`)
      expect(message).toContain(`the directory ${directory} belongs to uid 0, gid 0 and has mode 0755`)
    })

    it('says that only a member of a group can give it the socket', async () => {
      const directory = temporaryDirectory()
      chownSync(directory, ALICE, ALICE)
      const { code, message } = await failureAs('listen', directory, { mode: 0o660, group: GROUP })
      expect(code).toBe('ERR_IPC_ACCESS_DENIED')
      expect(message).toContain('(fchownat EPERM): only a member of a group can give it the socket')
      expect(message).toContain(
        `uid ${ALICE}, gid ${ALICE}, groups ${ALICE}. Choose a group of this process.`,
      )
    })
  },
)

describe('explainDenial', () => {
  it('leaves every other error as it is', () => {
    const full = new IpcError('ERR_IPC_SYSTEM', 'full', {
      cause: Object.assign(new Error(), { code: 'EMFILE' }),
    })
    const other = new IpcError('ERR_IPC_NOT_LISTENING', 'nobody')
    expect(explainDenial(full, 'dial', '/x')).toBe(full)
    expect(explainDenial(other, 'dial', '/x')).toBe(other)
  })
})
