// The findings of doctor: facts in the order of the examination, and at most one cause with its remedy.

/** The level of a fact. `note`: worth knowing, but not a fault. */
export type Level = 'ok' | 'note' | 'bad'

export interface Fact {
  readonly topic: string
  readonly level: Level
  readonly text: string
}

/** Why something does not work, and what to do about it. docs/troubleshooting.md has a heading for each. */
export interface Diagnosis {
  readonly cause: Cause
  /** What is wrong, in one sentence. */
  readonly text: string
  /** What to do, in one sentence. */
  readonly remedy: string
}

/** Every cause that doctor knows. */
export const CAUSES = [
  'runtime',
  'no-addons',
  'no-binary',
  'bad-binary',
  'environment',
  'bad-name',
  'path-too-long',
  'bad-policy',
  'no-directory',
  'not-a-directory',
  'directory-of-other',
  'directory-shared',
  'link-of-other',
  'link-loop',
  'directory-closed',
  'directory-not-writable',
  'read-only',
  'disk-full',
  'not-a-socket',
  'socket-closed',
  'stale',
  'removed',
  'other-mount',
  'nothing',
  'in-use',
  'lock-unsafe',
  'wrong-user',
  'wrong-program',
  'other-container',
  'unmapped-user',
  'refused-by-listener',
  'busy',
  'no-descriptors',
  'security-module',
  'other',
] as const
export type Cause = (typeof CAUSES)[number]

export class Report {
  readonly facts: Fact[] = []
  #diagnosis: Diagnosis | undefined

  add(topic: string, text: string, level: Level = 'ok'): void {
    this.facts.push({ topic, level, text })
  }

  /** Sets the cause. The first one counts, because later ones follow from it. */
  blame(cause: Cause, text: string, remedy: string): void {
    this.#diagnosis ??= { cause, text, remedy }
  }

  get diagnosis(): Diagnosis | undefined {
    return this.#diagnosis
  }
}
