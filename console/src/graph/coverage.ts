// What recorded runs of a version came to: counts of its nodes and of their branches.
import type { RunCoverage } from '../api/types.ts'
import { count, t } from '../words/words.ts'
import type { EdgeLook, Looks } from './states.ts'

export type Coverage = Pick<RunCoverage, 'nodes'>
type Edge = { readonly id: string; readonly source: string; readonly target: string; readonly handle: string }

/** How often an edge was taken. Undefined where no count tells: a node with one way out may also have failed. */
function timesTaken(coverage: Coverage, edge: Edge): number | undefined {
  const [source, target] = [edge.source, edge.target].map(id => coverage.nodes.find(node => node.id === id))
  if (!source) return undefined
  if (source.branches.length === 0) return source.times === 0 || target?.times === 0 ? 0 : undefined
  return source.branches.find(branch => branch.handle === edge.handle)?.times ?? 0
}

/** How a graph looks that tells how often runs came to its nodes and took its edges. */
export function covered(coverage: Coverage, edges: readonly Edge[]): Looks {
  const taken = edges.flatMap(edge => {
    const times = timesTaken(coverage, edge)
    return times === undefined ? [] : [[edge.id, times] as const]
  })
  return {
    nodes: new Map(
      coverage.nodes.map(node => {
        const sub = node.times === 0 ? t('coverage.never_ran') : `${count(node.times)} ×`
        return [node.id, { ...(node.times === 0 && { status: 'skipped' }), sub, title: `${node.title}: ${sub}` }]
      }),
    ),
    edges: new Map(taken.map(([id, times]) => [id, (times === 0 ? 'never' : '') satisfies EdgeLook])),
    words: new Map(taken.map(([id, times]) => [id, times === 0 ? t('coverage.never_taken') : `${count(times)} ×`])),
  }
}
