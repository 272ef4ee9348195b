// The messages between the three nodes and the process that shows them, over Node's fork channel. Facts never take that way:
// they go over the swarm's socket.

/** How a node runs. */
export interface NodeConfig {
  readonly directory: string
  readonly name: string
  /** Facts that it starts with; 0 for a node that comes back with an empty memory. */
  readonly facts: number
}

/** What a node holds. */
export interface NodeState {
  readonly listening: boolean
  readonly facts: number
  readonly trusted: number
  /** A digest of all facts in any order: equal if two nodes hold the same. */
  readonly digest: string
}

export type NodeReport =
  | { readonly report: 'notice'; readonly text: string }
  | { readonly report: 'state'; readonly state: NodeState }

/** `settle`: note nothing new, keep syncing. `state`: report the state. `stop`: end. */
export type NodeCommand = 'settle' | 'state' | 'stop'
