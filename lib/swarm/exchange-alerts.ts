// The alerts that the transport raises about exchanges and peers. Must not know how an exchange runs.

import { hasCode } from '../base/errors.js'
import type { PeerIdentity } from '../peer/peer.js'
import { describeThrown } from './alerts/alert-bus.js'
import type { ExchangeContext, ExchangeReport, Progress } from './exchange/exchange.js'
import { quoteName } from '../base/quote.js'
import { settlesWithin } from '../base/timing.js'
import { classify } from './protocol/protocol-error.js'

/** Advice for a Go dialer that sends too much. */
const GO_HINT =
  '. A Go dialer sends all its facts of level 0 in one line, which takes at most 1,048,575 bytes and 10,000 facts, so nothing ' +
  'of it was taken and every further dial will fail too. On that node, delete facts or move them to level 1, 2 or 3; or run ' +
  'this package there, which sends pages'

/** Raises the alert about a failed exchange. */
export function alertAboutFailure(
  { alert }: ExchangeContext,
  role: ExchangeReport['role'],
  error: Error,
  peer: PeerIdentity,
  progress: Progress,
): void {
  const { type, severity } = classify(error)
  const who = progress.peer === undefined ? '' : `, which claims to be ${quoteName(progress.peer.peerId)},`
  const tooMuch =
    hasCode(error, 'ERR_IPC_MESSAGE_TOO_LARGE') ||
    (hasCode(error, 'ERR_IPC_INVALID_MESSAGE') && error.reason === 'too-many-facts')
  const hint = role === 'listener' && progress.protocol === 'go' && tooMuch ? GO_HINT : ''
  alert({
    severity,
    type,
    message: `the exchange with pid ${peer.pid} of ${peer.sid ?? `uid ${peer.uid}`}${who} failed: ${describeThrown(error)}${hint}`,
    peer,
    ...(progress.peer !== undefined && { peerId: progress.peer.peerId }),
    counts: { received: progress.received, known: progress.known },
  })
}

/** Expires the peers that were silent for too long, and raises an alert for each. */
export function expireSilentPeers({ registry, alert }: ExchangeContext): void {
  for (const fallen of registry.checkTimeouts()) {
    const genes = registry.geneBackup(fallen.id)?.genes.length ?? 0
    alert({
      severity: 'warning',
      type: 'peer-expired',
      message: `${quoteName(fallen.node)} was silent for longer than the peer time-out; a backup keeps ${genes} of its genes`,
      peerId: fallen.id,
      counts: { genes },
    })
  }
}

/** Saves the registry, and raises an alert if that fails or takes longer than `timeoutMs`. Never rejects. */
export async function saveRegistry({ registry, alert }: ExchangeContext, timeoutMs: number): Promise<void> {
  try {
    const saved = registry.save()
    if (!(await settlesWithin(saved, timeoutMs)))
      throw new Error(`its storage did not return within ${timeoutMs} ms`)
    await saved
  } catch (error) {
    alert({
      severity: 'error',
      type: 'registry-not-saved',
      message: `the peer registry could not be saved: ${describeThrown(error)}`,
    })
  }
}
