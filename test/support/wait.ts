// Waiting in tests: for a condition, never for a time that a slow machine could miss.

import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves as soon as the condition holds; fails the test after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms in vain for ${condition.toString()}`)
    await sleep(5)
  }
}

/** The error that a promise rejects with; fails the test if it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('the promise resolved, although it should have rejected')
}
