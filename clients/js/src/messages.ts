import type { Schemas } from './operations.js'

/** An event of a run's log: docs/event-log.md. Its `id` is its position, from 0. */
export type RunEvent = Schemas['EventLog']['data'][number]

/** A file as inputs and questions name it. */
export interface FileInput {
  type: 'document' | 'image' | 'audio' | 'video' | 'custom'
  transfer_method: 'local_file' | 'remote_url'
  upload_file_id?: string
  url?: string
}

/** What a run waits for. */
export interface FormRequest {
  form_id: string
  node_id: string
  node_title: string
  form_content: string
  inputs: Record<string, unknown>[]
  actions: { id: string; title: string }[]
  form_token: string
}

interface Node {
  id: string
  node_id: string
  node_type: string
  title: string
  inputs: Record<string, unknown> | null
  [more: string]: unknown
}

interface OfRun {
  task_id: string
  workflow_run_id: string
}

interface OfMessage {
  task_id: string
  message_id: string
  conversation_id: string
}

interface Told {
  workflow_started: OfRun & { data: { id: string; workflow_id: string; inputs: Record<string, unknown> } }
  node_started: OfRun & { data: Node }
  node_retry: OfRun & { data: Node & { retry_index: number; error: string | null } }
  node_finished: OfRun & {
    data: Node & { status: string; outputs: Record<string, unknown> | null; error: string | null; elapsed_time: number }
  }
  text_chunk: OfRun & { data: { text: string; from_variable_selector: string[] } }
  text_replace: OfRun & { data: { text: string } }
  human_input_required: OfRun & { data: FormRequest }
  workflow_paused: OfRun & { data: { paused_nodes: string[]; outputs: Record<string, unknown> } }
  workflow_finished: OfRun & {
    data: {
      id: string
      status: Schemas['RunResult']['status']
      outputs: Record<string, unknown> | null
      error: string | null
      elapsed_time: number
      total_tokens: number
      total_steps: number
    }
  }
  message: OfMessage & { answer: string }
  agent_message: OfMessage & { answer: string }
  agent_thought: OfMessage & { thought: string; tool: string; tool_input: string; observation: string }
  message_file: OfMessage & { type: string; url: string }
  message_replace: OfMessage & { answer: string; reason: string }
  message_end: OfMessage & { metadata: Record<string, unknown> }
  error: { code: string; status: number; message: string }
}

/** A message of Dify's streaming mode. Others than those named here come too, as their server has them. */
export type StreamMessage = { [Kind in keyof Told]: { event: Kind } & Told[Kind] }[keyof Told]

/** Messages of which one is in each stream that is whole. */
export const STREAM_ENDS: readonly string[] = ['workflow_finished', 'workflow_paused', 'message_end', 'error']
