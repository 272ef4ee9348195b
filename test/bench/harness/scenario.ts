// The words of the harness: a scenario has contestants, a contestant has a consumer and a producer, each of which is a
// function that runs in a process of its own. Types, and the few functions that make their values.

/** What a role is told. Travels to another process, so plain values only. */
export type Params = Readonly<Record<string, number | string>>
/** What a role found: one number for each of the scenario's metrics. */
export type Figures = Readonly<Record<string, number>>

/** What a role sees of the harness. */
export interface RoleContext {
  /** A new directory, private to this trial. The harness removes it. */
  readonly directory: string
  readonly number: (param: string) => number
  readonly text: (param: string) => string
  /** Process id of the other role; undefined before it is started. */
  readonly otherPid: () => number | undefined
  /** To be called by the consumer once it can be reached; only then is the producer started. */
  readonly ready: () => void
  /** Tells the other process that something has happened. */
  readonly tell: (what: string) => void
  /** Resolves when the other process has told this. */
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
  readonly producer: RoleSource
  readonly params?: Params
}

export interface Metric {
  readonly name: string
  /** Heading in the table, with the unit. */
  readonly label: string
  readonly digits: number
}

/** What the project promises. A ratio is taken against the scenario's reference, round by round. */
export interface Target {
  readonly contestant: string
  readonly metric: string
  readonly of: 'ratio' | 'value'
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
  /** Rounds, where they are not for the command line to say. */
  readonly rounds?: number
  /** Packages of test/bench/peers/package.json that it compares with. */
  readonly peers?: readonly string[]
  readonly execArgv?: readonly string[]
}

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
