// Which nodes of a workflow a run left out: no event says so.
import { isOver, lastOf } from './selectors.ts'
import type { RunState } from './state.ts'

/** A workflow as far as its runs need it: which nodes there are, and which edge leaves them by which way out. */
export type Edges = readonly { readonly source: string; readonly handle: string; readonly target: string }[]

/** Whether an edge will not be taken any more: its source ended by another way out, or is skipped itself. */
export function isDead(run: RunState, edge: Edges[number], dead: ReadonlySet<string>): boolean {
  const source = lastOf(run, edge.source)
  if (!source) return dead.has(edge.source) || isOver(run)
  if (source.handle !== undefined) return source.handle !== edge.handle || source.status === 'failed'
  return isOver(run) && source.status !== 'succeeded'
}

/** The nodes that did not run and will not: all edges into them are dead. */
export function skipped(edges: Edges, run: RunState): ReadonlySet<string> {
  const into = new Map<string, Edges[number][]>()
  for (const edge of edges) into.set(edge.target, [...(into.get(edge.target) ?? []), edge])
  const dead = new Set<string>()
  for (let before = -1; before !== dead.size; ) {
    before = dead.size
    for (const [id, list] of into) {
      if (!dead.has(id) && !run.nodes.has(id) && list.every(edge => isDead(run, edge, dead))) dead.add(id)
    }
  }
  return dead
}
