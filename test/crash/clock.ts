// The wall clock of the crash run: what JavaScript can see of it jumps, by up to two months either way.

/** Sets the clock for a moment. Nothing of the library may follow it. */
export function stepClock(random: () => number): void {
  const realNow = Date.now
  const stepMs = (random() - 0.5) * 1e10
  const now = (): number => realNow() + stepMs
  Date.now = now
  setTimeout(() => {
    if (Date.now === now) Date.now = realNow
  }, 30)
}
