// Containers that are folded to one node: all else stays where the file has it.
import { useCallback, useEffect, useMemo, useState } from 'react'
import type { GraphNode } from '../api/types.ts'
import { store, stored } from '../app/storage.ts'
import { BOXES, DOTS, type DrawnGraph } from './fromApi.ts'

/** Most that a folded container takes of its place, from the upper left. */
const WIDE = 244
const HIGH = 112
/** Containers within containers; a file may name a node as its own parent. */
const DEEP = 16

/** The containers that a node is in, innermost first. */
function above(nodes: ReadonlyMap<string, GraphNode>, id: string): string[] {
  const found: string[] = []
  for (let at = nodes.get(id); at?.parent && found.length < DEEP; at = nodes.get(at.parent)) found.push(at.parent)
  return found.filter(one => BOXES.includes(nodes.get(one)?.type ?? ''))
}

export type Folded = DrawnGraph & {
  /** The node that stands for one: itself, or the folded container that it is in. */
  readonly of: (id: string) => string
}

/** The graph with these containers folded. Lines to and from what is in them go to them. */
export function folded(graph: DrawnGraph, shut: ReadonlySet<string>): Folded {
  const nodes = new Map(graph.nodes.map(node => [node.id, node]))
  const hidden = new Map<string, string>()
  const inside = new Map<string, number>()
  for (const { id, type } of graph.nodes) {
    const within = above(nodes, id)
    const by = within.findLast(one => shut.has(one))
    if (by) hidden.set(id, by)
    if (!DOTS.includes(type)) for (const one of within) inside.set(one, (inside.get(one) ?? 0) + 1)
  }
  const of = (id: string) => hidden.get(id) ?? id
  return {
    ...graph,
    of,
    nodes: graph.nodes
      .filter(({ id }) => !hidden.has(id))
      .map(node =>
        shut.has(node.id) && BOXES.includes(node.type)
          ? {
              ...node,
              width: Math.min(node.width, WIDE),
              height: Math.min(node.height, HIGH),
              inside: inside.get(node.id) ?? 0,
            }
          : node,
      ),
    edges: graph.edges
      .map(edge => ({ ...edge, source: of(edge.source), target: of(edge.target) }))
      .filter((edge, at) => edge.source !== edge.target || graph.edges[at]?.source === graph.edges[at]?.target),
  }
}

function kept(key: string): readonly string[] {
  try {
    const found: unknown = JSON.parse(stored(key) ?? '[]')
    return Array.isArray(found) ? found.filter(one => typeof one === 'string') : []
  } catch {
    return []
  }
}

export type Folds = {
  readonly graph: Folded
  readonly toggle: (id: string) => void
  /** Unfolds what a node is in, until the page is left: what is kept stays. */
  readonly reveal: (id: string) => void
}

/** Which containers of an app are folded, as this browser keeps it. What is chosen within one unfolds it. */
export function useFolds(app: string, graph: DrawnGraph, picked: string): Folds {
  const key = `jikko.folded.${app}`
  const [closed, setClosed] = useState(() => kept(key))
  const [opened, setOpened] = useState<readonly string[]>([])
  const reveal = useCallback(
    (id: string) => {
      const within = above(new Map(graph.nodes.map(node => [node.id, node])), id)
      if (within.length > 0) setOpened(before => [...new Set([...before, ...within])])
    },
    [graph],
  )
  useEffect(() => reveal(picked), [reveal, picked])
  const shut = useMemo(() => new Set(closed.filter(id => !opened.includes(id))), [closed, opened])
  const toggle = useCallback(
    (id: string) => {
      const others = closed.filter(one => one !== id)
      const next = shut.has(id) ? others : [...others, id]
      setOpened(before => before.filter(one => one !== id))
      setClosed(next)
      store(key, next.length > 0 ? JSON.stringify(next) : undefined)
    },
    [closed, shut, key],
  )
  return { graph: useMemo(() => folded(graph, shut), [graph, shut]), toggle, reveal }
}
