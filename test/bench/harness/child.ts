// The program of every child process: loads one role, runs it, and reports its figures. Ends on request, or when
// the main process is gone.

import { inspect } from 'node:util'

import type { ChildTask, FromChild, ToChild } from './messages.js'
import type { Role, RoleContext } from './scenario.js'

const { role, directory, params } = JSON.parse(process.argv[2] ?? '') as ChildTask
const told = new Set<string>()
const waiting = new Map<string, () => void>()
let otherPid: number | undefined

function say(message: FromChild): void {
  if (process.connected) process.send?.(message)
}

function param(name: string): number | string {
  const value = params[name]
  if (value === undefined) throw new Error(`the scenario has no parameter ${name}`)
  return value
}

function fail(error: unknown): void {
  say({ kind: 'failed', reason: inspect(error) })
}

const context: RoleContext = {
  directory,
  number: (name) => Number(param(name)),
  text: (name) => String(param(name)),
  otherPid: () => otherPid,
  ready: () => {
    say({ kind: 'ready' })
  },
  tell: (what) => {
    say({ kind: 'tell', what })
  },
  heard: (what) =>
    new Promise((resolve) => {
      if (told.has(what)) resolve()
      else waiting.set(what, resolve)
    }),
}

process.on('message', (message: ToChild) => {
  switch (message.kind) {
    case 'other':
      otherPid = message.pid
      break
    case 'told':
      told.add(message.what)
      waiting.get(message.what)?.()
      break
    case 'stop':
      process.exit(0)
  }
})
process.on('disconnect', () => process.exit(0))
// The main process decides whether to print it: once there are figures, a broken connection is not a failure.
process.on('uncaughtException', fail)

try {
  const module = (await import(role.module)) as Readonly<Record<string, Role | undefined>>
  const run = module[role.name]
  if (run === undefined) throw new Error(`${role.module} has no role ${role.name}`)
  const figures = await run(context)
  if (figures !== undefined) say({ kind: 'figures', figures })
} catch (error) {
  fail(error)
}
