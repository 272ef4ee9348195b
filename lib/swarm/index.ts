// The swarm: nodes on one machine that exchange facts. Re-exports only.

export {
  AlertBus,
  SEVERITIES,
  type Alert,
  type RaisedAlert,
  type Severity,
  type Subscription,
} from './alerts/alert-bus.js'
export type { ExchangeReport } from './exchange/exchange.js'
export {
  agreementOf,
  checkFact,
  FactError,
  MAX_CONTENT_UNITS,
  MAX_NAME_UNITS,
  MAX_SOURCE_UNITS,
  type Agreement,
  type Fact,
  type FactErrorCode,
  type FactLevel,
} from './facts/fact.js'
export {
  unitsOf,
  type AddResult,
  type FactPage,
  type FactQuery,
  type FactStore,
  type PageQuery,
} from './facts/fact-store.js'
export { genomeHash } from './facts/genome.js'
export { MemoryIncidentStore, type Incident, type IncidentStore } from './facts/incident.js'
export { MemoryFactStore, type MemoryFactStoreOptions } from './facts/memory-fact-store.js'
export { SwarmMsgType, type SwarmMessage, type SwarmPayloads } from './protocol/messages.js'
export type { WireFact, WireIncident } from './protocol/wire-fact.js'
export {
  Trust,
  type BackupGene,
  type GeneBackup,
  type GivenFacts,
  type PeerGenes,
  type PeerRecord,
  type ReadPosition,
  type RegistrySnapshot,
} from './peers/peer-record.js'
export {
  PeerRegistry,
  type HandshakeDecision,
  type HandshakeInfo,
  type SyncRecord,
} from './peers/peer-registry.js'
export {
  DEFAULT_PEER_TIMEOUT_MS,
  type PeerRegistryOptions,
  type RegistryStats,
} from './peers/registry-options.js'
export { FileRegistryStorage, type RegistryStorage } from './peers/registry-storage.js'
export type { SwarmSignalOptions, SwarmTransportOptions } from './options.js'
export type { AddressCheck } from './post.js'
export { SwarmTransport } from './transport.js'
