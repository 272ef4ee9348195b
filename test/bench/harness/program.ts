// Roles implemented by a program in another language: starts it, reports when it can be reached, and takes the
// processor time of both sides when it begins to measure.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

import { treeProcessorTimeNs } from './processor-time.js'
import { programPath } from './project.js'
import type { Figures, RoleContext } from './scenario.js'

/** Runs until the program ends or this process does; resolves with the figures that the program printed. */
export async function runProgram(
  context: RoleContext,
  program: string,
  args: readonly (string | number)[],
  onMeasuring: () => void = () => undefined,
): Promise<Figures> {
  const child = spawn(programPath(program), args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] })
  const end = new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      resolve(signal ?? `exit code ${String(code)}`)
    })
  })
  process.on('exit', () => child.kill('SIGKILL'))
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'ready') context.ready()
    else if (line === 'measuring') onMeasuring()
    else return JSON.parse(line) as Figures
  }
  throw new Error(`${program} ended without figures: ${await end}`)
}

/** A program that counts messages: its rate, and the processor time of both sides. */
export async function runCounter(
  context: RoleContext,
  program: string,
  args: readonly (string | number)[],
): Promise<Figures> {
  let before = [0, 0] as readonly [number, number]
  const { messages = 0, seconds = 0 } = await runProgram(context, program, args, () => {
    before = readTimes(context)
  })
  const [producer, consumer] = readTimes(context)
  return {
    messagesPerSecond: messages / seconds,
    producerCpuNs: (producer - before[0]) / messages,
    consumerCpuNs: (consumer - before[1]) / messages,
  }
}

function readTimes(context: RoleContext): readonly [number, number] {
  return [treeProcessorTimeNs(context.otherPid() ?? 0), treeProcessorTimeNs(process.pid)]
}
