// The messages between the main process and its children.

import type { Figures, Params, RoleSource } from './scenario.js'

/** The one argument of a child process, as JSON. */
export interface ChildTask {
  readonly role: RoleSource
  readonly directory: string
  readonly params: Params
}

export type FromChild =
  | { readonly kind: 'ready' }
  | { readonly kind: 'tell'; readonly what: string }
  | { readonly kind: 'figures'; readonly figures: Figures }
  | { readonly kind: 'failed'; readonly reason: string }

export type ToChild =
  | { readonly kind: 'other'; readonly pid: number }
  | { readonly kind: 'told'; readonly what: string }
  | { readonly kind: 'stop' }
