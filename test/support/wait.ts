// Waits for conditions in tests, never for a fixed time that a slow machine could miss.

import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves as soon as the condition holds; fails the test after `timeoutMs`. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms in vain for ${condition.toString()}`)
    await sleep(5)
  }
}

/** Returns the error that a promise rejects with. Fails the test if the promise resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('the promise resolved, although it should have rejected')
}
