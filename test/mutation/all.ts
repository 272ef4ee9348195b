// Every check that can be removed, and the rows of SECURITY.md of which none can.

import { deliveryMutations } from './delivery.js'
import { fileMutations } from './files.js'
import { frameMutations } from './frames.js'
import { identityMutations } from './identity.js'
import { limitMutations } from './limits.js'
import type { Mutation } from './mutation.js'
import { servicesMutations } from './services.js'
import { spoolMutations } from './spool.js'
import { swarmMutations } from './swarm.js'

/** Add the lists of other parts here. */
export const MUTATIONS: readonly Mutation[] = [
  ...identityMutations,
  ...fileMutations,
  ...frameMutations,
  ...limitMutations,
  ...deliveryMutations,
  ...spoolMutations,
  ...swarmMutations,
  ...servicesMutations,
]

/** How rows of SECURITY.md begin that are evidence rather than a check, so that there is nothing to remove. */
export const WITHOUT_A_CHECK: readonly { readonly claim: string; readonly why: string }[] = [
  { claim: 'Frame reader, escapes and policy keep their invariants', why: 'a fuzzing run' },
  { claim: 'Each defence of these rows', why: 'it is this list' },
  { claim: 'The package installs and runs without install scripts', why: 'the content of the package' },
  { claim: 'The addon is clean under AddressSanitizer', why: 'a run of a sanitizer' },
  { claim: 'The accept thread and the peer watcher are free', why: 'a run of a sanitizer' },
  {
    claim: 'Any interleaving of sending, reading, settling',
    why: 'a model, against which other checks are removed',
  },
  {
    claim: 'Either side notices a silent or stopped peer',
    why: 'the removals of hostile and silent peers cover it',
  },
]
