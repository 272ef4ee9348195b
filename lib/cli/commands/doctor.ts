// `sentinel-ipc doctor [NAME]`: examines why something does not work, and names one cause with its remedy.

import { printable } from '../../base/quote.js'
import {
  addressOf,
  ADDRESS_OPTIONS,
  dialOptions,
  listenOptions,
  POLICY_OPTIONS,
  SOCKET_OPTIONS,
  TIMEOUT_OPTION,
  timeoutOf,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { ExitCode } from '../kit/exit-code.js'
import type { Output } from '../kit/output.js'
import { pad, wrap } from '../kit/text.js'
import { examineAddress } from '../doctor/examine.js'
import { Report, type Fact } from '../doctor/report.js'
import { examineRuntime } from '../doctor/runtime.js'
import { examineSystem } from '../doctor/system.js'

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'find out why something does not work',
  description:
    'Examines the runtime, the system and, with NAME, the address: each directory on the way, the socket, who listens there,\n' +
    'whether it lets you in and whether you would accept it. Dials it and hangs up; with --listen, listens there and stops\n' +
    "again. Ends with 'ok', or with one cause and one remedy and code 1.",
  positionals: [
    { name: 'NAME', help: 'name of the listener, or path of its socket', optional: true, kind: 'name' },
  ],
  options: {
    ...ADDRESS_OPTIONS,
    listen: { help: 'examine whether you could listen there, instead of dialling' },
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
    ...SOCKET_OPTIONS,
  },
  examples: [
    ['sentinel-ipc doctor', 'examines the installation'],
    ['sentinel-ipc doctor events -d /run/soc', 'why can I not connect?'],
    ['sudo -u collector sentinel-ipc doctor events -d /run/soc --listen', 'could that user listen there?'],
  ],
  run,
}

async function run(args: Arguments, { out, signal }: Context): Promise<ExitCode> {
  const report = new Report()
  const library = await examineRuntime(report)
  examineSystem(report)
  const [argument] = args.positionals
  if (library !== undefined && argument !== undefined) {
    const address = addressOf(argument, args)
    const dial = { ...dialOptions(address, args), timeoutMs: timeoutOf(args, 1000) }
    const listen = args.flag('listen') ? listenOptions(address, args) : undefined
    await examineAddress(report, library, { ...address, dial, listen, signal })
  }
  const { diagnosis, facts } = report
  const ok = diagnosis === undefined
  if (args.flag('json')) await out.json(JSON.stringify({ ok, facts, ...diagnosis }))
  else await print(facts, report, out)
  return ok ? ExitCode.ok : ExitCode.failed
}

async function print(facts: readonly Fact[], { diagnosis }: Report, out: Output): Promise<void> {
  const width = Math.max(...facts.map(({ topic }) => topic.length)) + 2
  const marks = { ok: out.style('✓', 'green'), note: out.style('!', 'yellow'), bad: out.style('✗', 'red') }
  let before = ''
  const columns = out.isTerminal ? out.columns : Infinity
  for (const { topic, level, text } of facts) {
    const start = `${marks[level]} ${pad(topic === before ? '' : out.style(topic, 'bold'), width)}`
    for (const line of wrap(start + printable(text), columns, width + 2)) await out.line(line)
    before = topic
  }
  await out.line()
  if (diagnosis === undefined) {
    await out.line(out.style('ok', 'green', 'bold'))
    return
  }
  const { cause, text, remedy } = diagnosis
  const last = [
    `${out.style('cause:', 'red', 'bold')}  ${printable(text)} [${cause}]`,
    `${out.style('remedy:', 'green', 'bold')} ${printable(remedy)}`,
  ]
  for (const line of last.flatMap((entry) => wrap(entry, columns, 8))) await out.line(line)
}
