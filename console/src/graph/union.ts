// Two versions of a workflow as one graph: the later one, and in it what it no longer has.
import type { AppDetail, Diff, GraphEdge, GraphNode } from '../api/types.ts'
import { BOXES, type DrawnEdge, type DrawnGraph } from './fromApi.ts'

type Graph = AppDetail['graph']
export const SIGN = { added: '+', removed: '−', changed: '~' } as const
export type Change = keyof typeof SIGN

export type United = {
  readonly graph: DrawnGraph
  /** What became of nodes and of edges, by their ids in the graph. */
  readonly nodes: ReadonlyMap<string, Change>
  readonly edges: ReadonlyMap<string, Change>
}

/** Between a node that is gone and those whose place it would share. */
const GAP = 24
const keyOf = ({ source, handle, target }: Pick<GraphEdge, 'source' | 'handle' | 'target'>) =>
  JSON.stringify([source, handle, target])

/** Removed nodes stand where they stood, in their container if it has moved, and below what stands there now. */
export function united(before: Graph | undefined, now: Graph, diff: Diff | undefined): United {
  const nodes = new Map(diff?.nodes.map(node => [node.id, node.change]))
  const changes = new Map(diff?.edges.map(edge => [keyOf(edge), edge.change]))
  const old = new Map(before?.nodes.map(node => [node.id, node]))
  const placed = new Map(now.nodes.map(node => [node.id, node]))
  const gone = [...old.values()].filter(node => nodes.get(node.id) === 'removed' && !placed.has(node.id))
  for (const node of gone.toSorted((one, other) => Number(!!one.parent) - Number(!!other.parent))) {
    const [stood, stands] = [old, placed].map(all => all.get(node.parent ?? ''))
    const moved = stood && stands ? { x: node.x + stands.x - stood.x, y: node.y + stands.y - stood.y } : {}
    placed.set(node.id, free({ ...node, ...moved }, [...placed.values()]))
  }
  const edges: DrawnEdge[] = [
    ...now.edges.map(edge => (changes.get(keyOf(edge)) === 'added' ? { ...edge, sign: SIGN.added } : edge)),
    ...(before?.edges ?? [])
      .filter(edge => changes.get(keyOf(edge)) === 'removed')
      .map(edge => ({ ...edge, id: `${SIGN.removed}${edge.id}`, sign: SIGN.removed, over: true })),
  ]
  return {
    // A container comes before what is in it.
    graph: { nodes: [...placed.values()].toSorted((one, other) => rank(one) - rank(other)), edges },
    nodes,
    edges: new Map(
      edges.flatMap(edge => (edge.sign ? [[edge.id, edge.sign === SIGN.added ? 'added' : 'removed'] as const] : [])),
    ),
  }
}

const rank = (node: GraphNode): number => (BOXES.includes(node.type) ? 0 : 1)

function free(node: GraphNode, others: readonly GraphNode[]): GraphNode {
  const beside = others.filter(other => other.parent === node.parent && other.type !== 'note')
  for (let place = node; ; ) {
    const met = beside.find(
      other =>
        Math.abs(other.x + other.width / 2 - place.x - place.width / 2) < (other.width + place.width) / 2 &&
        Math.abs(other.y + other.height / 2 - place.y - place.height / 2) < (other.height + place.height) / 2,
    )
    if (!met) return place
    place = { ...place, y: met.y + met.height + GAP }
  }
}
