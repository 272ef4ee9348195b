// The crash run: a sender with a spool and a receiver, killed again and again while messages go through, connections are cut,
// messages refused, and handlers throw. Each message that was spooled must be there in the end, once, unless it was refused.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { Notes } from './notes.js'
import { isRefused, parseOptions, randomFrom, type CrashOptions } from './options.js'
import { inspectOutput } from './output.js'
import { SmallDisk } from './small-disk.js'

interface Report {
  readonly ready?: true
  readonly failed?: string
  readonly done?: object
  readonly faults?: Readonly<Record<string, number>>
}

/** Longest life of a pair, once both are ready, before the next kill. */
const LONGEST_LIFE_MS = 350
/** Kills come about this many batches apart. */
const BATCHES_PER_KILL = 40
const FINISH_WITHIN_MS = 120_000
/** How often the disk is filled, of all kills, and for how long at most. */
const FILL_CHANCE = 0.3
const LONGEST_FILL_MS = 200

class CrashRun {
  readonly #options: CrashOptions
  readonly #directory = mkdtempSync(join(realpathSync(tmpdir()), 'sipc-crash-'))
  readonly #random: () => number
  readonly #disk: SmallDisk | undefined
  readonly #failures: string[] = []
  readonly #kills = { sender: 0, receiver: 0, both: 0 }
  readonly #faults: Record<string, number> = {}
  #children = 0
  /** Resolve when the present processes are ready, or have ended. */
  readonly #ready: Record<'sender' | 'receiver', Promise<void>> = {
    sender: Promise.resolve(),
    receiver: Promise.resolve(),
  }
  #done: object | undefined
  #upTo = 0
  #total: number
  #sender: ChildProcess
  #receiver: ChildProcess

  constructor(options: CrashOptions) {
    this.#options = options
    this.#random = randomFrom(options.seed)
    this.#total = options.messages
    this.#disk = options.fullDisk ? new SmallDisk(this.#directory) : undefined
    this.#sender = this.#start('sender')
    this.#receiver = this.#start('receiver')
  }

  async run(): Promise<boolean> {
    const { kills, messages, seed, durability, fullDisk, minutes } = this.#options
    const startedAt = performance.now()
    console.log(
      `crash run: ${kills} kills over ${messages} messages, durability ${durability}, ` +
        `${fullDisk ? 'a disk that fills up, ' : ''}seed ${seed}`,
    )
    const until = startedAt + minutes * 60_000
    for (let kill = 1; kill <= kills && this.#failures.length === 0; ++kill) {
      if (performance.now() > until) {
        this.#total = this.#upTo
        break
      }
      this.#allow(Math.ceil((messages * kill) / (kills + 1)))
      await Promise.all([this.#ready.sender, this.#ready.receiver])
      if (this.#random() < FILL_CHANCE) this.#fillDisk(this.#random() * LONGEST_FILL_MS)
      await sleep(this.#random() * LONGEST_LIFE_MS)
      await this.#killSome()
      if (kill % Math.max(1, Math.floor(kills / 10)) === 0) this.#progress(kill, startedAt)
    }
    this.#allow(this.#total)
    await this.#finish()
    const gone = once(this.#receiver, 'exit')
    this.#sender.kill('SIGKILL')
    this.#receiver.kill('SIGKILL')
    await gone
    this.#disk?.unmount()
    const passed = this.#judge(startedAt)
    if (passed) rmSync(this.#directory, { recursive: true, force: true })
    else console.log(`what is left is in ${this.#directory}`)
    return passed
  }

  #start(role: 'sender' | 'receiver'): ChildProcess {
    const { messages, kills, durability, fullDisk } = this.#options
    const batch = Math.max(1, Math.ceil((2 * messages) / (kills + 1) / BATCHES_PER_KILL))
    const script = fileURLToPath(new URL(`${role}.js`, import.meta.url))
    const seed = this.#options.seed + ++this.#children
    const spoolDirectory = join(this.#disk?.directory ?? this.#directory, 'spool')
    let last: Readonly<Record<string, number>> = {}
    const child = fork(script, [
      JSON.stringify({ directory: this.#directory, spoolDirectory, batch, durability, fullDisk, seed }),
    ])
    this.#ready[role] = new Promise((resolve) => {
      child.on('message', ({ ready }: Report) => {
        if (ready === true) resolve()
      })
      child.once('exit', () => {
        resolve()
      })
    })
    child.on('message', (report: Report) => {
      if (report.failed !== undefined) this.#failures.push(report.failed)
      if (report.done !== undefined) this.#done = report.done
      if (report.faults !== undefined) last = report.faults
      if (report.ready === true && role === 'sender') this.#tellLimit()
    })
    child.on('error', () => undefined)
    child.on('exit', (code) => {
      for (const [fault, count] of Object.entries(last))
        this.#faults[fault] = (this.#faults[fault] ?? 0) + count
      if (code !== null && code !== 0) this.#failures.push(`the ${role} ended with code ${code}`)
    })
    return child
  }

  #allow(upTo: number): void {
    this.#upTo = upTo
    this.#tellLimit()
  }

  #tellLimit(): void {
    if (this.#sender.connected) {
      this.#sender.send({ upTo: this.#upTo, total: this.#total }, () => undefined)
    }
  }

  async #killSome(): Promise<void> {
    const target = (['sender', 'receiver', 'both'] as const)[Math.floor(this.#random() * 3)] ?? 'both'
    ++this.#kills[target]
    const dying: Promise<unknown>[] = []
    if (target !== 'receiver') {
      dying.push(once(this.#sender, 'exit'))
      this.#sender.kill('SIGKILL')
    }
    if (target !== 'sender') {
      dying.push(once(this.#receiver, 'exit'))
      this.#receiver.kill('SIGKILL')
    }
    await Promise.all(dying)
    if (target !== 'receiver') this.#sender = this.#start('sender')
    if (target !== 'sender') this.#receiver = this.#start('receiver')
  }

  /** The kill that follows may find the disk full, and so may the next process. */
  #fillDisk(forMs: number): void {
    const disk = this.#disk
    if (disk === undefined) return
    disk.fill()
    this.#faults['diskFull'] = (this.#faults['diskFull'] ?? 0) + 1
    setTimeout(() => {
      disk.free()
    }, forMs)
  }

  async #finish(): Promise<void> {
    const deadline = performance.now() + FINISH_WITHIN_MS
    while (this.#done === undefined && this.#failures.length === 0) {
      if (performance.now() > deadline) this.#failures.push(`not finished after ${FINISH_WITHIN_MS} ms`)
      await sleep(10)
    }
  }

  #progress(kill: number, startedAt: number): void {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
    console.log(`  ${kill} kills, up to message ${this.#upTo}, ${seconds} s`)
  }

  #judge(startedAt: number): boolean {
    const { fullDisk } = this.#options
    const messages = this.#total
    const told = new Notes(this.#directory).read(messages)
    const findings = inspectOutput(this.#directory, messages, isRefused, told, fullDisk)
    const { sender, receiver, both } = this.#kills
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    console.log(`killed: sender ${sender}, receiver ${receiver}, both ${both}; ${seconds} s`)
    console.log(
      `delivered ${findings.messages} of ${messages}: lost ${findings.lost}, twice ${findings.twice}, ` +
        `although refused ${findings.unrefused}, although given up ${findings.misreported}, ` +
        `under another number ${findings.misnumbered}` +
        (fullDisk
          ? `; not kept by a full disk before a kill, so that nobody was told: ${findings.untold}`
          : ''),
    )
    console.log(`other faults: ${JSON.stringify(this.#faults)}`)
    for (const failure of new Set(this.#failures)) console.log(`FAILED: ${failure}`)
    const wrong =
      findings.lost +
      findings.twice +
      findings.unrefused +
      findings.misreported +
      findings.misnumbered +
      this.#failures.length
    console.log(wrong === 0 ? 'passed' : `FAILED; repeat with --seed ${this.#options.seed}`)
    return wrong === 0
  }
}

const options = parseOptions()
process.exitCode = (await new CrashRun(options).run()) ? 0 : 1
