// Distinguishes messages of this copy of the package from those of another copy, and from other values. Must not know
// messages.

/** The same in every copy of this package. */
export const SOC_MESSAGE = Symbol.for('sentinel-ipc.SOCMessage')

/** What structuredClone names in its error: a clone would lose the id and the payload, which are not own properties. */
export const NOT_CLONEABLE = Symbol('a SOCMessage; clone its toJSON() instead, which')

/** The error for a value that is not a message of this copy of the package. */
export function notAMessage(value: unknown): TypeError {
  const foreign = typeof value === 'object' && value !== null && SOC_MESSAGE in value
  return new TypeError(
    foreign
      ? 'the message was made by another copy of sentinel-ipc; make it with the newSOCMessage() of the copy that sends it'
      : 'a message must be a SOCMessage, as newSOCMessage() makes it',
  )
}
