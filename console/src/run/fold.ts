// The fold of a run's log: the only place that gives an event a meaning. No React, no DOM, no clock.
import type { RunEvent } from './events.ts'
import type { Execution, NodeStatus, RoundState, RunState } from './state.ts'

/** The state before the first event of a log. */
export const begin = (): RunState => ({
  position: -1,
  at: 0,
  status: 'waiting',
  startedAt: 0,
  elapsed: 0,
  executions: [],
  nodes: new Map(),
  ordinals: new Map(),
  forms: [],
  text: new Map(),
  waits: [],
  failures: [],
  tokens: 0,
  price: 0,
  takeovers: 0,
})

type Draft = {
  -readonly [K in keyof RunState]: RunState[K] extends ReadonlyMap<infer A, infer B>
    ? Map<A, B>
    : RunState[K] extends readonly (infer E)[]
      ? E[]
      : RunState[K]
}

/** The state after some more events. Pure: one copy of the lists per call, however many events there are. */
export function advance(from: RunState, events: Iterable<RunEvent>, until = Infinity): RunState {
  let draft: Draft | undefined
  for (const event of events) {
    if (event.id > until) break
    // A stream that was opened again may repeat its tail: what was seen is not counted twice.
    if (event.id <= (draft ?? from).position) continue
    draft ??= {
      ...from,
      executions: [...from.executions],
      nodes: new Map(from.nodes),
      forms: [...from.forms],
      text: new Map(from.text),
      waits: [...from.waits],
      failures: [...from.failures],
    }
    step(draft, event, from)
    draft.position = event.id
    draft.at = Math.max(draft.at, event.at)
  }
  return draft ?? from
}

function step(run: Draft, event: RunEvent, before: RunState) {
  switch (event.event) {
    case 'run_started':
      run.startedAt = event.at
      return go(run, event.at)
    case 'run_began':
    case 'run_resumed':
      return go(run, event.at)
    case 'run_parked':
      halt(run, 'parked', event.elapsed)
      return wait(run, event.at)
    case 'run_paused':
      halt(run, 'paused', event.elapsed)
      return wait(run, event.at)
    case 'run_recovered':
      run.takeovers++
      run.elapsed = event.elapsed ?? 0
      // One whose form was closed had not begun again: nothing of it was interrupted.
      for (const id of event.in_flight ?? [])
        if (find(run, id)?.status === 'running') change(run, id, { status: 'waiting' })
      return go(run, event.at)
    case 'run_retried':
      Object.assign(run, { retryOf: event.run_id, startedAt: event.at })
      run.executions = run.executions.map(execution => ({ ...execution, takenOver: true }))
      return
    case 'run_finished':
      halt(run, event.status, event.elapsed)
      Object.assign(run, {
        error: event.error,
        outputsIn: event.id,
        forms: [],
        tokens: event.total_tokens ?? 0,
      })
      for (const { id, status } of run.executions)
        if (isOpen(status)) change(run, id, { status: event.status === 'stopped' ? 'stopped' : 'failed' })
      return
    case 'node_started': {
      const known = find(run, event.execution_id)
      if (known) {
        // It runs again under its id: after its form, or because the process that ran it is gone.
        const gone = {
          error: 'The process that ran it ended.',
          errorType: '',
          at: event.at,
          reason: 'interrupted' as const,
        }
        return change(run, known.id, {
          status: 'running',
          attempts: known.status === 'paused' ? known.attempts : [...known.attempts, gone],
          ...UNSAID,
        })
      }
      const ordinal = run.executions.length
      const what = {
        id: event.execution_id,
        nodeId: event.node_id,
        type: event.node_type,
        title: event.title ?? '',
        rounds: event.rounds ?? [],
      }
      run.executions.push({
        ...what,
        ordinal,
        startedIn: event.id,
        status: 'running',
        startedAt: event.at,
        valuesIn: event.id,
        attempts: [],
        ...UNSAID,
        tokens: 0,
        price: 0,
        takenOver: false,
      })
      run.ordinals.set(event.execution_id, ordinal)
      count(run, event.node_id, ordinal, 1, 0, 0)
      // Rounds are announced together and wait; one begins with its first node.
      const around = event.rounds?.at(-1)
      if (around && find(run, around[0])?.roundList?.[around[3]]?.status === 'queued')
        round(run, before, around[0], around[3], { status: 'running', startedAt: event.at })
      return
    }
    case 'node_attempted': {
      const known = find(run, event.execution_id)
      if (known)
        change(run, known.id, {
          attempts: [
            ...known.attempts,
            { error: event.error, errorType: event.error_type ?? '', at: event.at, reason: 'failed' },
          ],
          ...UNSAID,
        })
      return spend(run, event.execution_id, event.usage)
    }
    case 'node_finished':
      change(run, event.execution_id, {
        status: event.status,
        elapsed: event.elapsed,
        valuesIn: event.id,
        handle: event.handle ?? 'source',
        error: event.error,
        errorType: event.error_type,
        strategy: event.strategy,
      })
      return spend(run, event.execution_id, event.usage)
    case 'container_started':
      return change(run, event.execution_id, { length: event.length, roundList: [], roundsDone: 0, valuesIn: event.id })
    case 'round_started':
      return round(run, before, event.execution_id, event.round, { status: 'queued' })
    case 'round_finished':
      return round(run, before, event.execution_id, event.round, {
        status: event.error === undefined ? 'succeeded' : 'failed',
        elapsed: event.elapsed,
        error: event.error,
      })
    case 'text_chunk':
    case 'reasoning_chunk': {
      if (event.event === 'reasoning_chunk' && event.said) {
        const speaker = find(run, event.execution_id ?? '')
        return say(run, speaker, event.at, (speaker?.said ?? '') + event.said)
      }
      const key = event.event === 'text_chunk' ? event.selector.join('.') : `${event.node_id}.reasoning`
      run.text.set(key, (run.text.get(key) ?? '') + event.text)
      const speaker = event.event === 'text_chunk' ? run.nodes.get(event.selector[0] ?? '')?.last : undefined
      return say(run, run.executions[speaker ?? -1], event.at)
    }
    case 'text_replaced':
      run.text.clear()
      run.text.set('', event.text)
      return
    case 'form_requested':
      change(run, event.execution_id, { status: 'paused' })
      run.forms.push({
        executionId: event.execution_id,
        nodeId: event.node_id,
        title: event.title,
        form: event.form,
        expiresAt: event.expires_at ?? 0,
      })
      return
    case 'form_closed':
      run.forms = run.forms.filter(form => form.executionId !== event.execution_id)
      return
  }
}

const UNSAID = { said: '', saidAt: undefined }

function say(run: Draft, speaker: Execution | undefined, at: number, said = speaker?.said): void {
  if (speaker?.status === 'running' && (speaker.saidAt === undefined || said !== speaker.said))
    change(run, speaker.id, { said: said ?? '', saidAt: speaker.saidAt ?? at })
}

export const find = (run: RunState | Draft, id: string): Execution | undefined =>
  run.executions[run.ordinals.get(id) ?? -1]

function go(run: Draft, at: number): void {
  Object.assign(run, { status: 'running', runningSince: at })
  const last = run.waits.at(-1)
  if (last && last.until === undefined)
    run.waits[run.waits.length - 1] = { from: last.from, until: Math.max(at, last.from) }
}

const wait = (run: Draft, at: number): void => void run.waits.push({ from: Math.max(at, run.at) })

const halt = (run: Draft, status: RunState['status'], elapsed: number): void =>
  void Object.assign(run, { status, elapsed, runningSince: undefined })

const isOpen = (status: NodeStatus) => status === 'running' || status === 'waiting' || status === 'paused'

function change(run: Draft, id: string, what: Partial<Execution>): void {
  const old = find(run, id)
  if (!old) return
  run.executions[old.ordinal] = { ...old, ...what }
  if (!what.status || !isOpen(old.status) || isOpen(what.status)) return
  const failed = what.status === 'failed' || what.status === 'exception'
  count(run, old.nodeId, old.ordinal, -1, 1, failed ? 1 : 0)
  if (failed) run.failures.push(old.ordinal)
}

function count(run: Draft, nodeId: string, last: number, running: number, done: number, failed: number): void {
  const old = run.nodes.get(nodeId) ?? { last: -1, running: 0, done: 0, failed: 0 }
  run.nodes.set(nodeId, {
    last: Math.max(last, old.last),
    running: old.running + running,
    done: old.done + done,
    failed: old.failed + failed,
  })
}

function round(run: Draft, before: RunState, id: string, index: number, what: RoundState): void {
  const container = find(run, id)
  if (!container) return
  // The list is copied when it is still the one of the state before this batch, else it is ours to change.
  const shared =
    container.roundList === undefined || container.roundList === before.executions[container.ordinal]?.roundList
  const list: RoundState[] = shared ? [...(container.roundList ?? [])] : (container.roundList as RoundState[])
  list[index] = { ...list[index], ...what }
  const roundsDone = (container.roundsDone ?? 0) + (what.elapsed === undefined ? 0 : 1)
  run.executions[container.ordinal] = { ...container, roundList: list, roundsDone }
}

/** A container's usage is the sum of its rounds, whose nodes were counted already. */
function spend(run: Draft, id: string, usage: { total_tokens?: number; total_price?: string } | undefined): void {
  const execution = find(run, id)
  if (!execution || !usage) return
  const [tokens, price] = [usage.total_tokens ?? 0, Number(usage.total_price ?? 0)]
  change(run, id, { tokens: execution.tokens + tokens, price: execution.price + price })
  if (execution.roundList) return
  run.tokens += tokens
  run.price += price
}
