// The sums of acknowledged delivery that must hold at every moment at each end, and between the ends once everything is settled.
// Used by the tests and by the crash run, so it must not know the test runner.

import type { AcknowledgedSenderStats, AcknowledgingReceiverStats } from 'sentinel-ipc'

export interface Totals {
  readonly senders: readonly AcknowledgedSenderStats[]
  /** All receivers of the sessions of these senders. */
  readonly receivers: readonly AcknowledgingReceiverStats[]
  /** Every message is settled, every acknowledgement has arrived, and no process was replaced. */
  readonly settled: boolean
}

/** What does not add up; empty if everything does. */
export function imbalanceOf({ senders, receivers, settled }: Totals): string[] {
  const wrong: string[] = []
  const check = (what: string, left: number, right: number): void => {
    if (left !== right) wrong.push(`${what}: ${left} is not ${right}`)
  }
  for (const each of senders) {
    const { accepted, acknowledged, rejected, written, pending, dropped } = each
    check('sender: accepted', accepted, acknowledged + rejected + written + pending + dropped)
    check('sender: dropped', dropped, sumOf(Object.values(each.droppedBy)))
  }
  for (const each of receivers) {
    const { received, delivered, accepted, rejected, released, inHand, waiting, duplicates, superseded } =
      each
    check('receiver: received', received, accepted + rejected + inHand + waiting + duplicates + superseded)
    check('receiver: delivered', delivered, accepted + rejected + inHand + released)
    for (const [name, count] of Object.entries(each))
      if (count < 0) wrong.push(`receiver: ${name} is ${count}`)
  }
  if (!settled) return wrong
  const total = (key: 'accepted' | 'rejected' | 'refused' | 'inHand' | 'waiting'): number =>
    sumOf(receivers.map((each) => each[key]))
  check(
    'acknowledged at the senders, accepted at the receivers',
    sumOf(senders.map((each) => each.acknowledged)),
    total('accepted'),
  )
  check(
    'rejected at the senders, rejected and refused at the receivers',
    sumOf(senders.map((each) => each.rejected)),
    total('rejected') + total('refused'),
  )
  check('pending at the senders', sumOf(senders.map((each) => each.pending)), 0)
  check('in hand or waiting at the receivers', total('inHand') + total('waiting'), 0)
  return wrong
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
