// The rule of all correlators: looks at three fields of each event, and raises an incident for every hundredth event of a host
// and channel.

const EVENTS_PER_INCIDENT = 100

export interface Incident {
  readonly rule: string
  readonly host: string
  readonly channel: string
  readonly event_id: number
}

/** The part of an event that the rule looks at. */
export interface Event {
  readonly EventID?: unknown
  readonly Hostname?: unknown
  readonly Channel?: unknown
}

export class Rule {
  readonly #counts = new Map<string, number>()

  /** Takes one event. Returns an incident if the rule fires. */
  look(eventId: unknown, host: unknown, channel: unknown): Incident | undefined {
    if (typeof eventId !== 'number' || typeof host !== 'string' || typeof channel !== 'string')
      return undefined
    const key = `${host} ${channel}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    if (count % EVENTS_PER_INCIDENT !== 0) return undefined
    return { rule: 'every-hundredth', host, channel, event_id: eventId }
  }
}

/** The line of an incident, for those who write lines themselves. */
export function incidentLine(incident: Incident): string {
  const now = Date.now()
  const message = { type: 'soc_incident', id: `${now}000000`, ts: Math.floor(now / 1000), payload: incident }
  return `${JSON.stringify(message)}\n`
}
