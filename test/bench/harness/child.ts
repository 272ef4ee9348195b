// The program of every child process: loads one role, runs it, and passes on what it says. Ends when it is told to, or
// when the main process is gone.

import { inspect } from 'node:util'

import type { ChildTask, FromChild, ToChild } from './messages.js'
import type { Role, RoleContext } from './scenario.js'

const { role, directory, params } = JSON.parse(process.argv[2] ?? '') as ChildTask
const told = new Set<string>()
const waiting = new Map<string, () => void>()

function say(message: FromChild): void {
  if (process.connected) process.send?.(message)
}

function param(name: string): number | string {
  const value = params[name]
  if (value === undefined) throw new Error(`the scenario has no parameter ${name}`)
  return value
}

const context: RoleContext = {
  directory,
  number: (name) => Number(param(name)),
  text: (name) => String(param(name)),
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
  if (message.kind === 'stop') process.exit(0)
  told.add(message.what)
  waiting.get(message.what)?.()
})
process.on('disconnect', () => process.exit(0))

try {
  const module = (await import(role.module)) as Readonly<Record<string, Role | undefined>>
  const run = module[role.name]
  if (run === undefined) throw new Error(`${role.module} has no role ${role.name}`)
  const figures = await run(context)
  if (figures !== undefined) say({ kind: 'figures', figures })
} catch (error) {
  say({ kind: 'failed', reason: inspect(error) })
}
