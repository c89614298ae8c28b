// What an agent told of its work: entries that begin and end, one within another.
import type { RunEvent } from './events.ts'

type Logged = Extract<RunEvent, { event: 'agent_logged' }>
export type AgentEntry = {
  readonly id: string
  /** The last that was told of it. */
  readonly event: Logged
  /** Seconds; undefined while it goes on. */
  readonly took?: number
  readonly inner: readonly AgentEntry[]
}

/** The entries of an execution up to a position, in the order in which they began; those of a round within it. */
export function agentEntries(events: readonly RunEvent[], execution: string, until: number): readonly AgentEntry[] {
  const found = new Map<string, { id: string; event: Logged; from: number; took?: number; inner: AgentEntry[] }>()
  const top: AgentEntry[] = []
  for (const event of events) {
    if (event.id > until) break
    if (event.event !== 'agent_logged' || event.execution_id !== execution) continue
    const known = found.get(event.entry_id)
    if (known) {
      known.event = event
      if (event.status !== 'start') known.took = Math.max(0, event.at - known.from)
      continue
    }
    const entry = { id: event.entry_id, event, from: event.at, inner: [] }
    found.set(event.entry_id, entry)
    const around = event.parent_id === undefined ? undefined : found.get(event.parent_id)
    if (around) around.inner.push(entry)
    else top.push(entry)
  }
  return top
}
