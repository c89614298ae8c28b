// The events of a run's log, as `GET runs/{id}/log` tells them: src/jikko/events.py. What equals its default is left out.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type Values = Readonly<Record<string, Json>>
export type RunEnd = 'succeeded' | 'failed' | 'stopped' | 'partial-succeeded'
/** A round of a container: the container's execution, its node, its kind, and the round counted from 0. */
export type Round = readonly [executionId: string, nodeId: string, kind: 'iteration' | 'loop', index: number]
export type Usage = {
  readonly total_tokens?: number
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
  readonly total_price?: string
  readonly currency?: string
}

/** A value that was too long for a page of the log: where it stands in the event, and how many bytes it has. */
export type Cut = { readonly path: string; readonly bytes: number }

type Of<Tag extends string, Fields = object> = {
  readonly id: number
  readonly at: number
  readonly event: Tag
  readonly cut?: readonly Cut[]
} & Readonly<Fields>
type Node = {
  execution_id: string
  node_id: string
  node_type: string
  title?: string
  index: number
  predecessor?: string
  rounds?: readonly Round[]
}
type About = {
  inputs?: Values
  process_data?: Values
  outputs?: Values
  error?: string
  error_type?: string
  usage?: Usage
}
type Form = { execution_id: string; node_id: string; title: string; form_id: string }

export type RunEvent =
  | Of<'run_started', { inputs: Values; system: Values; turn?: { conversation_id: string; variables?: Values } }>
  | Of<'run_began' | 'run_resumed'>
  /** Written by a newer version; nothing is known of it. */
  | Of<'unknown_event', { kind: string }>
  | Of<'run_parked', { elapsed: number }>
  | Of<'run_recovered', { epoch: number; in_flight?: readonly string[]; elapsed?: number }>
  | Of<'run_retried', { run_id: string; from_nodes: readonly string[] }>
  | Of<'run_paused', { paused_nodes: readonly string[]; elapsed: number; total_tokens?: number; wake_at?: number }>
  | Of<
      'run_finished',
      { status: RunEnd; outputs?: Values; error?: string; elapsed: number; total_tokens?: number; total_steps?: number }
    >
  | Of<'node_started', Node>
  | Of<'node_attempted', Node & About & { started_at: number; elapsed: number; attempt: number; error: string }>
  | Of<
      'node_finished',
      Node &
        About & {
          started_at: number
          elapsed: number
          status: 'succeeded' | 'failed' | 'exception'
          handle?: string
          strategy?: string
          metadata?: Values
          /** Variables that the node changed and that are not its outputs. */
          updates?: readonly (readonly [selector: readonly string[], value: Json])[]
        }
    >
  | Of<'container_started', Node & { length: number; inputs?: Values; variables?: Values }>
  | Of<'round_started', Node & { round: number; variables?: Values }>
  | Of<'round_finished', Node & { round: number; elapsed: number; outputs?: Values; error?: string; last?: boolean }>
  | Of<'text_chunk', { text: string; selector: readonly string[] }>
  | Of<'text_replaced', { text: string; reason?: string }>
  | Of<
      'agent_logged',
      {
        execution_id: string
        node_id: string
        entry_id: string
        label: string
        parent_id?: string
        status?: 'start' | 'success' | 'error'
        error?: string
        data?: Values
        metadata?: Values
      }
    >
  | Of<'step_recorded', { execution_id: string; kind: 'model' | 'tool' }>
  | Of<'reasoning_chunk', { node_id: string; text: string; final?: boolean; execution_id?: string; said?: string }>
  | Of<'form_requested', Form & { form: Values; expires_at?: number }>
  | Of<'form_closed', Form & { action_id: string | null; action_text?: string; data?: Values }>
