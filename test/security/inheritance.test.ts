// That no program which a process starts inherits a socket, a file, a lock or a handle of a process from this package (open(2),
// O_CLOEXEC): it could answer in our name, or hold a lock for ever.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

it('every descriptor that the package opens or adopts is closed by exec', async () => {
  const directory = temporaryDirectory()
  const server = createServer()
  server.listen(join(directory, 'adopted.sock'))
  await once(server, 'listening')
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const child = startChild('open-files', { directory }, { descriptor: fd })
  server.close()
  const { opened, inherited } = await child.report<{ opened: string[]; inherited: string[] }>()
  expect(inherited).toEqual([])
  // Two listeners with a waker and both ends of a wire each, a lock, a connection, a set, and a watched process.
  expect(opened.filter((what) => what.startsWith('socket:')).length).toBeGreaterThanOrEqual(8)
  expect(opened.filter((what) => what.includes('eventfd')).length).toBeGreaterThanOrEqual(3)
  expect(opened.filter((what) => what.includes('eventpoll'))).toHaveLength(1)
  expect(opened.filter((what) => what.endsWith('.sock.lock'))).toHaveLength(1)
  // The directory, as a place to look files up in and as one to read, and its lock.
  expect(opened.filter((what) => what.includes('/spool')).length).toBeGreaterThanOrEqual(3)
  expect(opened.filter((what) => what.includes('pidfd'))).toHaveLength(1)
})
