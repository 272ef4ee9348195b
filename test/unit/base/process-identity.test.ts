// When a process started, which tells it from another one with the same id.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { bootId, processStart } from '../../../lib/base/process-identity.js'
import { temporaryDirectory } from '../../support/directory.js'
import { until } from '../../support/wait.js'

describe.skipIf(process.platform !== 'linux')('processStart', () => {
  it('is the same for one run of a process, and contains the boot', () => {
    const start = processStart(process.pid)
    expect(start).toMatch(/^\d+-[0-9a-f-]{36}$/)
    expect(start).toContain(bootId())
    expect(processStart(process.pid)).toBe(start)
  })

  it('is undefined where there is no such process', () => {
    expect(processStart(2 ** 22 + 1)).toBeUndefined()
  })

  it('reads the start of a process whose name contains parentheses and spaces', async () => {
    const program = join(temporaryDirectory(), 'x) Z 1 (')
    symlinkSync('/bin/sleep', program)
    const child = spawn(program, ['60'])
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    await once(child, 'spawn')
    expect(processStart(child.pid ?? -1)).toMatch(/^\d+-/)
  })

  it('is undefined for a zombie, which has released its locks', async () => {
    // The outer shell has become a sleep by the time the inner one ends, and never waits for it.
    const child = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'])
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    const pid = Number(String(chunk))
    await until(() => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z '))
    expect(processStart(pid)).toBeUndefined()
  })
})

const LAST_PID = '/proc/sys/kernel/ns_last_pid'
const canReuse = process.getuid?.() === 0 && existsSync(LAST_PID)

describe.skipIf(!canReuse)(
  `a process id that is used again${canReuse ? '' : ' (skipped: needs root and ns_last_pid)'}`,
  () => {
    it('belongs to a process with another start', async () => {
      const first = spawn('sleep', ['60'])
      await once(first, 'spawn')
      const pid = first.pid ?? -1
      const start = processStart(pid)
      first.kill('SIGKILL')
      await once(first, 'exit')
      // The kernel counts starts in ticks of 10 ms.
      await sleep(30)
      let again: number | undefined
      // Another process may take the id first.
      for (let i = 0; i < 200 && again !== pid; ++i) {
        writeFileSync(LAST_PID, String(pid - 1))
        const next = spawn('sleep', ['60'])
        onTestFinished(() => {
          next.kill('SIGKILL')
        })
        await once(next, 'spawn')
        again = next.pid
        if (again !== pid) next.kill('SIGKILL')
      }
      expect(again).toBe(pid)
      expect(processStart(pid)).toMatch(/^\d+-/)
      expect(processStart(pid)).not.toBe(start)
    })
  },
)
