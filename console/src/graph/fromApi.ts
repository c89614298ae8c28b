// A workflow as its author laid it out, for the graph: nothing is laid out here.
import type { Node } from '@xyflow/react'
import type { GraphEdge, GraphNode } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { t } from '../words/words.ts'

/** `sign`: stands before the name of its branch. `over`: crosses nodes that were not there when it was laid out. */
export type DrawnEdge = GraphEdge & { readonly sign?: string; readonly over?: boolean }
/** `inside`: of a container that is folded to one node, how many are in it. */
export type DrawnNode = GraphNode & { readonly inside?: number }
export type DrawnGraph = { readonly nodes: readonly DrawnNode[]; readonly edges: readonly DrawnEdge[] }
export type StepData = { readonly node: DrawnNode; readonly box: boolean }
export type StepNodeOf = Node<StepData, 'step' | 'note' | 'dot'>

/** Characters of the name of a branch. */
const LABEL = 24
export const DOTS = ['iteration-start', 'loop-start']
export const BOXES = ['iteration', 'loop']
export const isBox = (node: DrawnNode): boolean => BOXES.includes(node.type) && node.inside === undefined
export const isNote = (node: GraphNode): boolean => node.type === 'note' || node.type === 'custom-note'

export function flowNodes(graph: DrawnGraph): StepNodeOf[] {
  return graph.nodes.map(node => {
    const box = isBox(node)
    return {
      id: node.id,
      type: isNote(node) ? 'note' : DOTS.includes(node.type) ? 'dot' : 'step',
      position: { x: node.x, y: node.y },
      width: node.width,
      height: node.height,
      // A container lies behind what is in it.
      zIndex: node.parent ? 2 : box ? 0 : 1,
      data: { node, box },
    }
  })
}

/** What all nodes but notes cover. */
export function bounds(graph: DrawnGraph): {
  x: number
  y: number
  width: number
  height: number
} {
  const nodes = graph.nodes.filter(node => !isNote(node))
  if (nodes.length === 0) return { x: 0, y: 0, width: 1, height: 1 }
  const x = Math.min(...nodes.map(node => node.x))
  const y = Math.min(...nodes.map(node => node.y))
  return {
    x,
    y,
    width: Math.max(...nodes.map(node => node.x + node.width)) - x,
    height: Math.max(...nodes.map(node => node.y + node.height)) - y,
  }
}

type Nodes = ReadonlyMap<string, DrawnNode>

/** From the right side of its source to the left side of its target. */
export function ends(edge: GraphEdge, nodes: Nodes): [x: number, y: number, u: number, v: number] | undefined {
  const [from, to] = [nodes.get(edge.source), nodes.get(edge.target)]
  if (!from || !to) return undefined
  const height = (node: DrawnNode) => node.y + (isBox(node) ? node.height / 2 : Math.min(node.height / 2, 34))
  return [from.x + from.width, height(from), to.x, height(to)]
}

/** What the branch of an edge is called. */
export function labelOf(edge: Pick<DrawnEdge, 'handle' | 'label' | 'sign'>): string {
  const label = edge.handle === 'fail-branch' ? t('graph.failure') : (edge.label ?? '')
  const short = visible(label.length > LABEL ? `${label.slice(0, LABEL)}…` : label)
  return [edge.sign, short].filter(Boolean).join(' ')
}

/** The curve of an edge. */
export function path(edge: GraphEdge, nodes: Nodes): string {
  const at = ends(edge, nodes)
  if (!at) return ''
  const [x, y, u, v] = at
  const bend = Math.max(30, (u - x) / 2)
  return `M${x} ${y}C${x + bend} ${y} ${u - bend} ${v} ${u} ${v}`
}
