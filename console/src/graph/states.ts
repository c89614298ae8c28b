// Where each node stands, kept by its id: an event draws again what it changed and nothing else.
import { useCallback, useSyncExternalStore } from 'react'
import { type Shown, shown } from '../run/selectors.ts'
import { type Edges, isDead, skipped } from '../run/skipped.ts'
import type { Execution, RunState } from '../run/state.ts'
import { count, duration, t } from '../words/words.ts'
import type { Change } from './union.ts'

export type NodeLook = {
  readonly status?: Shown
  readonly sub: string
  /** Says what the node shows, where it has no room to. */
  readonly title?: string
  /** How each round of a container stands, for a strip; at most `STRIP` of them. */
  readonly rounds?: string
  /** In its corner, in place of the mark of a status. */
  readonly marks?: readonly NodeMark[]
  /** The class of its frame, where it is no status. */
  readonly frame?: Change | 'first' | 'second'
}
/** A sign, an icon, or both, and the word that is read for it. */
export type NodeMark = { readonly sign?: string; readonly icon?: string; readonly word: string }
export type EdgeLook = '' | 'taken' | 'dead' | 'active' | 'never' | Change | 'first' | 'second'
export type Looks = {
  readonly nodes: ReadonlyMap<string, NodeLook>
  readonly edges: ReadonlyMap<string, EdgeLook>
  /** What is said of an edge, besides the name of its branch. */
  readonly words: ReadonlyMap<string, string>
}
const STRIP = 100

export class GraphStates {
  private nodes = new Map<string, NodeLook>()
  private edges = new Map<string, EdgeLook>()
  /** What is said of edges, as how often each was taken. */
  private taken = new Map<string, string>()
  private readonly listeners = new Set<() => void>()

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  node(id: string): NodeLook | undefined {
    return this.nodes.get(id)
  }
  edge(id: string): EdgeLook {
    return this.edges.get(id) ?? ''
  }

  times(id: string): string | undefined {
    return this.taken.get(id)
  }

  /** Shows what something else than one run tells; without it, nothing. */
  tell(looks?: Looks): void {
    this.nodes = new Map(looks?.nodes)
    this.edges = new Map(looks?.edges)
    this.taken = new Map(looks?.words)
    for (const listener of this.listeners) listener()
  }

  /** Shows a run on the graph. What looks as before stays the same object, and its node is not drawn again. */
  show(run: RunState, edges: readonly (Edges[number] & { readonly id: string })[], now: number): void {
    const nodes = new Map<string, NodeLook>()
    for (const [id, state] of run.nodes) {
      const last = run.executions[state.last]
      if (last) this.keep(nodes, id, lookOf(last, state.running, state.done, state.failed, now))
    }
    const dead = skipped(edges, run)
    for (const id of dead) this.keep(nodes, id, { status: 'skipped', sub: '' })
    this.nodes = nodes
    this.edges = new Map(edges.map(edge => [edge.id, this.edgeLook(run, edge, dead)]))
    for (const listener of this.listeners) listener()
  }

  private keep(into: Map<string, NodeLook>, id: string, look: NodeLook): void {
    const old = this.nodes.get(id)
    into.set(id, old && old.status === look.status && old.sub === look.sub && old.rounds === look.rounds ? old : look)
  }

  private edgeLook(run: RunState, edge: Edges[number], dead: ReadonlySet<string>): EdgeLook {
    const target = this.nodes.get(edge.target)
    if (isDead(run, edge, dead)) return 'dead'
    if (target?.status === 'running') return 'active'
    return target && target.status !== 'skipped' ? 'taken' : ''
  }
}

function lookOf(last: Execution, running: number, done: number, failed: number, now: number): NodeLook {
  if (last.roundList) {
    const length = last.length ?? last.roundList.length
    const took = last.elapsed === undefined ? '' : ` · ${duration(last.elapsed)}`
    const step = Math.max(1, length / STRIP)
    const strip = Array.from({ length: Math.min(STRIP, length) }, (_, at) => {
      const part =
        last.roundList?.slice(
          Math.floor(at * step),
          Math.max(Math.floor(at * step) + 1, Math.floor((at + 1) * step)),
        ) ?? []
      return (
        ['failed', 'running', 'queued', 'succeeded'].find(status =>
          part.some(round => (round?.status ?? 'queued') === status),
        ) ?? 'queued'
      ).charAt(0)
    }).join('')
    return {
      status: shown(last.status),
      sub: `${t('rounds.of', { done: count(last.roundsDone ?? 0), all: count(length) })}${took}`,
      rounds: strip,
    }
  }
  if (last.rounds.length > 0) {
    const status =
      running > 0 ? shown(last.status === 'paused' ? 'paused' : 'running') : failed > 0 ? 'partial' : shown(last.status)
    return { status, sub: `${count(done)} ×` }
  }
  const took = last.elapsed ?? (last.status === 'running' ? Math.max(0, now - last.startedAt) : undefined)
  // Of a node that runs, whole tenths: a node is not drawn again for a thousandth.
  return {
    status: shown(last.status),
    sub: duration(last.elapsed === undefined && took !== undefined ? Math.floor(took * 10) / 10 : took),
  }
}

export function useNodeLook(states: GraphStates, id: string): NodeLook | undefined {
  return useSyncExternalStore(
    states.subscribe,
    useCallback(() => states.node(id), [states, id]),
  )
}
export function useEdgeTimes(states: GraphStates, id: string): string | undefined {
  return useSyncExternalStore(
    states.subscribe,
    useCallback(() => states.times(id), [states, id]),
  )
}
export function useEdgeLook(states: GraphStates, id: string): EdgeLook {
  return useSyncExternalStore(
    states.subscribe,
    useCallback(() => states.edge(id), [states, id]),
  )
}
