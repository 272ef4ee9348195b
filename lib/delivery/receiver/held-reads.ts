// The memory of the reads whose messages wait or are in hand, for the account of their user. Messages that were read together
// share memory, so a read is charged once, until the last of its messages is done. Must not know connections.

/** A read. Each of its runs that is not done holds it. */
export class HeldRead {
  #bytes: number
  readonly #onChange: (bytes: number) => void
  #holders = 0

  /** @param onChange is called with the bytes that are held more, or fewer (negative) */
  constructor(bytes: number, onChange: (bytes: number) => void) {
    this.#bytes = bytes
    this.#onChange = onChange
  }

  /** Adds memory to the read. */
  grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#holders > 0) this.#onChange(bytes)
  }

  hold(): void {
    if (this.#holders++ === 0) this.#onChange(this.#bytes)
  }

  release(): void {
    if (--this.#holders === 0) this.#onChange(-this.#bytes)
  }
}

/** The reads of one connection. */
export class HeldReads {
  readonly #charge: (bytes: number) => void
  #held = 0
  #charged = 0
  readonly #onChange = (bytes: number): void => {
    this.#held += bytes
  }

  /** @param charge is called with the bytes that the connection holds more, or fewer (negative) */
  constructor(charge: (bytes: number) => void) {
    this.#charge = charge
  }

  /** Begins a read, which takes this much memory while something holds it. */
  begin(bytes: number): HeldRead {
    return new HeldRead(bytes, this.#onChange)
  }

  /** Charges the change. Call when a step is complete, because a released message moves from one run to another. */
  settle(): void {
    const change = this.#held - this.#charged
    if (change === 0) return
    this.#charged = this.#held
    this.#charge(change)
  }
}
