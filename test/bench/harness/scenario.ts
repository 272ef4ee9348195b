// The terms of the harness: a scenario has contestants, a contestant has a consumer and a producer, each of which is a
// function that runs in a process of its own. Types, and the few functions that make their values.

/** Parameters of a role. They travel to another process, so plain values only. */
export type Params = Readonly<Record<string, number | string>>
/** The figures of a role: one number for each of the scenario's metrics. */
export type Figures = Readonly<Record<string, number>>

/** The part of the harness that a role can use. */
export interface RoleContext {
  /** A new directory, private to this trial. The harness removes it. */
  readonly directory: string
  readonly number: (param: string) => number
  readonly text: (param: string) => string
  /** Process id of the other role; undefined before it is started. */
  readonly otherPid: () => number | undefined
  /** To be called by the consumer once it can be reached; only then is the producer started. */
  readonly ready: () => void
  /** Sends a signal to the other process. */
  readonly tell: (what: string) => void
  /** Resolves when the other process has sent this signal. */
  readonly heard: (what: string) => Promise<void>
}

/**
 * One side of a contestant. One of the two roles resolves with figures, which ends the trial and both processes; the
 * other one goes on until then.
 */
export type Role = (context: RoleContext) => Promise<Figures | undefined>

/** Where a child process finds its role. */
export interface RoleSource {
  readonly module: string
  readonly name: string
}

export interface Contestant {
  readonly name: string
  /** What it does, in the words of the table. */
  readonly label: string
  readonly consumer: RoleSource
  /** Absent where the consumer starts its producer itself. */
  readonly producer?: RoleSource
  readonly params?: Params
  /** Requirements on the machine. If one is missing, the contestant is left out and the table says why. */
  readonly needs?: readonly Need[]
  /** The contestant whose figures are 1.00 for this one. Default: the scenario's reference. */
  readonly reference?: string
  /** Where its processes run. Default: as the scenario has it. */
  readonly placement?: Placement
  /** Whether a third process, which only turns in a loop, competes for the processors. */
  readonly busyThird?: boolean
  /** For plots of figures over a quantity, such as the length of a message: which line it belongs to, and where on it. */
  readonly line?: { readonly name: string; readonly at: number }
}

/** Both sides on one processor, each on half of them, or where the scheduler puts them. */
export type Placement = 'together' | 'apart' | 'free'

/**
 * A package of test/bench/peers, a compiler, or a feature that the library may not have yet.
 */
export type Need =
  | { readonly kind: 'package'; readonly name: string }
  | { readonly kind: 'program'; readonly name: 'go' | 'native' }
  | { readonly kind: 'feature'; readonly name: 'busyPoll' }

export interface Metric {
  readonly name: string
  /** Heading in the table, with the unit. */
  readonly label: string
  readonly digits: number
}

/** What the project promises. A ratio is taken round by round. */
export interface Target {
  /** In the words of the table. */
  readonly path: string
  readonly contestant: string
  readonly metric: string
  readonly of: 'ratio' | 'value'
  /** What a ratio is taken against. Default: the contestant's reference. */
  readonly against?: string
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Scenario {
  readonly name: string
  readonly title: string
  /** Printed below the title: what a reader must know to judge the figures. */
  readonly notes: readonly string[]
  readonly metrics: readonly Metric[]
  readonly contestants: readonly Contestant[]
  /** The contestant whose figures are 1.00. */
  readonly reference?: string
  readonly targets: readonly Target[]
  readonly params: Params
  /** A trial that takes longer has failed. */
  readonly timeoutMs: number
  /** Number of rounds, if the command line does not set it. */
  readonly rounds?: number
  /** Expected duration of a trial, for the progress line. */
  readonly trialMs: number
  readonly plots?: readonly Plot[]
  /**
   * Whether consumer and producer get half of the processors each, which are kept awake. Where both have work to do all
   * the time, the scheduler would otherwise put them on one processor in one round and on two in the next, and whether
   * one sleeps for a moment would decide. Where one always waits for the other, it is right to put them together.
   */
  readonly apart?: boolean
  readonly execArgv?: readonly string[]
}

interface PlotWords {
  /** Of the file, without its ending. */
  readonly file: string
  readonly title: string
  /** Below the title: how to read it. */
  readonly subtitle: string
  /** Names of contestants, or of lines; with the words of the plot. In the order of their colours. */
  readonly shown: Readonly<Record<string, string>>
}

/** A picture of what was measured. */
export type Plot =
  /** A dot for each contestant, with the spread of the rounds. */
  | (PlotWords & {
      readonly kind: 'dots'
      readonly metric: string
      readonly unit: string
      readonly log: boolean
    })
  /** Lines over `Contestant.line.at`. */
  | (PlotWords & {
      readonly kind: 'lines'
      readonly metric: string
      readonly unit: string
      readonly over: string
      /** Positions that are written on the axis, with their words. */
      readonly ticks: readonly (readonly [at: number, word: string])[]
    })
  /** A line for each contestant over the percentiles of a distribution: metrics by the share that does not exceed them. */
  | (PlotWords & {
      readonly kind: 'percentiles'
      readonly unit: string
      readonly metrics: readonly (readonly [share: number, metric: string])[]
    })

/** How long the runs take: for a check that all works, for everyday, and for figures to publish. */
export type Scale = 'quick' | 'normal' | 'full'

/** The role that `module` exports under this name. */
export function roleIn(module: URL, name: string): RoleSource {
  return { module: module.href, name }
}

/** The pair of a module that exports `consumer` and `producer`. */
export function pairIn(module: URL): { readonly consumer: RoleSource; readonly producer: RoleSource } {
  return { consumer: roleIn(module, 'consumer'), producer: roleIn(module, 'producer') }
}
