// What recorded runs of a version came to: counts of its nodes and of their branches.
import type { RunCoverage } from '../api/types.ts'

export type Coverage = Pick<RunCoverage, 'nodes'>
type Edge = { readonly source: string; readonly target: string; readonly handle: string }

/** How often an edge was taken. Undefined where no count tells: a node with one way out may also have failed. */
export function timesTaken(coverage: Coverage, edge: Edge): number | undefined {
  const [source, target] = [edge.source, edge.target].map(id => coverage.nodes.find(node => node.id === id))
  if (!source) return undefined
  if (source.branches.length === 0) return source.times === 0 || target?.times === 0 ? 0 : undefined
  return source.branches.find(branch => branch.handle === edge.handle)?.times ?? 0
}
