// Collects what is published on the audit channels while a test runs.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { onTestFinished } from 'vitest'

/** What is published on a channel from now on until the test is over. */
export function heard<T>(channel: string): T[] {
  const events: T[] = []
  const listener = (event: unknown): void => {
    events.push(event as T)
  }
  subscribe(channel, listener)
  onTestFinished(() => {
    unsubscribe(channel, listener)
  })
  return events
}
