// What a run is at a moment, as the fold of its log tells it. All of it is only read.
import type { Round, RunEnd, Values } from './events.ts'

export type NodeStatus = 'running' | 'waiting' | 'paused' | 'succeeded' | 'failed' | 'exception' | 'stopped'

export type Attempt = {
  readonly error: string
  readonly errorType: string
  readonly at: number
  readonly reason: 'failed' | 'interrupted'
}

export type RoundState = {
  readonly status: 'queued' | 'running' | 'succeeded' | 'failed'
  readonly startedAt?: number
  readonly elapsed?: number
  readonly error?: string
}

/** One execution of a node. Never changed, only replaced, so that whoever shows it can compare by identity. */
export type Execution = {
  readonly id: string
  readonly nodeId: string
  readonly type: string
  readonly title: string
  readonly rounds: readonly Round[]
  /** Its place in `executions`, and at which position of the log it started. Both stay. */
  readonly ordinal: number
  readonly startedIn: number
  readonly status: NodeStatus
  readonly startedAt: number
  readonly elapsed?: number
  /** The position whose event has its values: they stay in the log and are not copied. */
  readonly valuesIn: number
  readonly handle?: string
  readonly error?: string
  readonly errorType?: string
  readonly strategy?: string
  readonly attempts: readonly Attempt[]
  /** What its model said and the run did not show, and when its first text came. Its last words may be missing. */
  readonly said: string
  readonly saidAt?: number | undefined
  readonly tokens: number
  readonly price: number
  /** For a container: how many rounds it goes over, and what became of each. `roundList` is replaced once a batch. */
  readonly length?: number
  readonly roundList?: readonly RoundState[]
  readonly roundsDone?: number
  /** Taken over from the run that this one repeats: its times are not this run's. */
  readonly takenOver: boolean
}

/** A node of the graph: where it stands, over all its executions. */
export type NodeState = {
  readonly last: number
  readonly running: number
  readonly done: number
  readonly failed: number
}

export type OpenForm = {
  readonly executionId: string
  readonly nodeId: string
  readonly title: string
  readonly form: Values
  readonly expiresAt: number
}

export type Wait = { readonly from: number; readonly until?: number }

export type RunState = {
  /** The last event that is in here; -1 before the first. */
  readonly position: number
  /** The latest moment so far. Events are in order of position; their times may step back by a few milliseconds. */
  readonly at: number
  readonly status: 'waiting' | 'running' | 'paused' | 'parked' | RunEnd
  /** `runningSince`: when the clock of `elapsed` was last set going; undefined while it stands. */
  readonly startedAt: number
  readonly elapsed: number
  readonly runningSince?: number
  readonly executions: readonly Execution[]
  readonly nodes: ReadonlyMap<string, NodeState>
  /** Where in `executions` each execution is. Belongs to the log, not to the moment: states of one log share it. */
  readonly ordinals: Map<string, number>
  readonly forms: readonly OpenForm[]
  readonly text: ReadonlyMap<string, string>
  /** Stretches in which nothing ran: for a human, or between two processes. The last one may be open. */
  readonly waits: readonly Wait[]
  /** Ordinals of what failed, in order. */
  readonly failures: readonly number[]
  readonly tokens: number
  readonly price: number
  readonly error?: string
  readonly outputsIn?: number
  readonly retryOf?: string
  readonly takeovers: number
}
