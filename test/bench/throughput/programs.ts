// Throughput of programs in other languages: the Go one with messages as the Go package makes them, the C++ one with
// nothing but bytes.

import { runCounter, runProgram } from '../harness/program.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { ENVELOPE_BYTES, LINE_BYTES, socketPath, textBytesOf } from '../input/line.js'

export function goConsumer(context: RoleContext): Promise<Figures> {
  const { directory, number } = context
  const times = [number('warmUpMs'), number('measureMs')]
  return runCounter(context, 'go', ['receive', socketPath(directory), ...times])
}

export function goProducer(context: RoleContext): Promise<Figures> {
  const payloadBytes = context.number('payloadBytes')
  const textBytes = payloadBytes === 0 ? 0 : textBytesOf(payloadBytes)
  return runProgram(context, 'go', ['send', socketPath(context.directory), textBytes])
}

export function nativeConsumer(context: RoleContext): Promise<Figures> {
  const { directory, number } = context
  const times = [number('warmUpMs'), number('measureMs')]
  return runCounter(context, 'native', ['receive', socketPath(directory), lineBytes(context), ...times])
}

export function nativeProducer(context: RoleContext): Promise<Figures> {
  const bytesPerWrite = context.number('bytesPerWrite') || lineBytes(context)
  return runProgram(context, 'native', ['send', socketPath(context.directory), bytesPerWrite])
}

function lineBytes(context: RoleContext): number {
  const payloadBytes = context.number('payloadBytes')
  return payloadBytes === 0 ? LINE_BYTES : payloadBytes + ENVELOPE_BYTES
}
