// The messages between the three nodes and the process that shows them, over Node's fork channel. Facts never go there:
// they go over the swarm's socket.

/** How a node is to run. */
export interface NodeConfig {
  readonly directory: string
  readonly name: string
  /** Facts that it begins with; 0 for one that comes back with nothing. */
  readonly facts: number
}

/** What a node holds. */
export interface NodeState {
  readonly listening: boolean
  readonly facts: number
  readonly trusted: number
  /** Of all facts, whatever their order: equal when two nodes hold the same. */
  readonly digest: string
}

export type NodeReport =
  | { readonly report: 'notice'; readonly text: string }
  | { readonly report: 'state'; readonly state: NodeState }

/** `settle`: see nothing new, go on syncing. `state`: report it. `stop`: end. */
export type NodeCommand = 'settle' | 'state' | 'stop'
