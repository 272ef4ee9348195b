// The round trips of programs in other languages: the Go one with messages, the C++ one with nothing but bytes.

import { runProgram } from '../harness/program.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { socketPath } from '../input/line.js'

export function goConsumer(context: RoleContext): Promise<Figures> {
  return runProgram(context, 'go', ['echo', socketPath(context.directory)])
}

export function goProducer(context: RoleContext): Promise<Figures> {
  const { directory, number } = context
  return runProgram(context, 'go', ['ping', socketPath(directory), number('warmUpMs'), number('measureMs')])
}

export function nativeConsumer(context: RoleContext): Promise<Figures> {
  return runProgram(context, 'native', ['echo', socketPath(context.directory), context.text('wait')])
}

export function nativeProducer(context: RoleContext): Promise<Figures> {
  const { directory, number, text } = context
  const times = [number('warmUpMs'), number('measureMs')]
  return runProgram(context, 'native', ['ping', socketPath(directory), text('wait'), ...times])
}
