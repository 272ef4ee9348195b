// Trace context in a message's meta, with the real @opentelemetry/api.

import * as api from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { newSOCMessage } from '../../../lib/message/new-message.js'
import { extractTrace, injectTrace } from '../../../lib/message/trace.js'
import { frameBytes } from '../../../lib/message/envelope.js'
import { frameOf } from '../../../lib/message/message.js'
import { readLines } from '../../support/read-lines.js'

const spanContext = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  traceFlags: api.TraceFlags.SAMPLED,
}

/** As the propagator of an SDK: W3C Trace Context, level 1, without its `tracestate`. */
const propagator: api.TextMapPropagator = {
  fields: () => ['traceparent'],
  inject(context, carrier, setter) {
    const span = api.trace.getSpanContext(context)
    if (span !== undefined)
      setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-0${span.traceFlags}`)
  },
  extract(context, carrier, getter) {
    const header = getter.get(carrier, 'traceparent')
    const found = typeof header === 'string' ? /^00-(\w{32})-(\w{16})-(\d\d)$/.exec(header) : null
    if (found === null) return context
    const [, traceId = '', spanId = '', flags] = found
    return api.trace.setSpanContext(context, { traceId, spanId, traceFlags: Number(flags), isRemote: true })
  },
}

describe('a trace', () => {
  const active = api.trace.setSpanContext(api.ROOT_CONTEXT, spanContext)
  beforeEach(() => {
    api.propagation.setGlobalPropagator(propagator)
    api.context.setGlobalContextManager({
      active: () => active,
      with: (_context, call, self, ...rest) => call.apply(self as never, rest),
      bind: (_context, target) => target,
      enable: () => api.context as never,
      disable: () => api.context as never,
    })
  })
  afterEach(() => {
    api.propagation.disable()
    api.context.disable()
  })

  it('goes from the active span of the sender to the receiver, beside other meta', () => {
    const sent = newSOCMessage('soc_event', 1, { meta: injectTrace(api, { tenant: 'a' }) })
    expect(sent.meta).toEqual({
      tenant: 'a',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    })
    const [received] = readLines([frameBytes(frameOf(sent)).toString().trimEnd()])
    const context = extractTrace(api, received ?? sent)
    expect(api.trace.getSpanContext(context)).toEqual({ ...spanContext, isRemote: true })
  })

  it('of a message without one, or with nonsense, is the active one', () => {
    for (const line of ['{"type":"t"}', '{"type":"t","traceparent":"x"}', '{"type":"t","traceparent":[1]}']) {
      const [received] = readLines([line])
      expect(extractTrace(api, received ?? newSOCMessage('t'))).toBe(active)
    }
  })

  it('is not written without an SDK', () => {
    api.propagation.disable()
    expect(injectTrace(api)).toEqual({})
  })
})
