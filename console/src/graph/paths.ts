// The paths of two runs over one graph: what each took is told by a letter, and by the shape of frames and lines.
import { statusWord } from '../parts/Icon.tsx'
import type { RunState } from '../run/state.ts'
import { listed, t } from '../words/words.ts'
import type { DrawnEdge } from './fromApi.ts'
import { type EdgeLook, GraphStates, type Looks, type NodeLook, type NodeMark } from './states.ts'
import { SIGN, type United } from './union.ts'

/** The earlier run, and the later one. */
export const LETTERS = ['A', 'B'] as const
const WORDS = ['compare.earlier', 'compare.later'] as const
const FRAMES = ['first', 'second'] as const
/** Edges that a run's own version has not. */
const FOREIGN = [SIGN.added, SIGN.removed] as const

/** The graph with a letter at each line that one of them took, and how it looks. `differ`: nodes that did otherwise. */
export function paths(one: United, runs: readonly [RunState, RunState], differ: ReadonlySet<string>) {
  const shown = runs.map((run, n) => {
    const states = new GraphStates()
    states.show(
      run,
      one.graph.edges.filter(edge => edge.sign !== FOREIGN[n]),
      run.at,
    )
    return states
  })
  const nodes = new Map<string, NodeLook>()
  for (const { id } of one.graph.nodes) {
    const ran = shown.map(states => states.node(id)).map(look => (look?.status === 'skipped' ? undefined : look))
    const marks: NodeMark[] = []
    for (const icon of new Set(ran.flatMap(look => look?.status ?? []))) {
      const these = LETTERS.flatMap((_, n) => (ran[n]?.status === icon ? n : []))
      const sign = these.map(n => LETTERS[n]).join('')
      marks.push({ sign, icon, word: `${listed(these.map(nameOf))}: ${statusWord(icon)}` })
    }
    if (differ.has(id)) marks.push({ sign: '≠', word: t('compare.differs') })
    const only = marks.length > 0 && ran.filter(Boolean).length === 1 ? FRAMES[ran[0] ? 0 : 1] : undefined
    const sub = [...new Set(ran.map(look => look?.sub).filter(Boolean))].join(' → ')
    nodes.set(id, ran.some(Boolean) ? { sub, marks, ...(only && { frame: only }) } : { status: 'skipped', sub: '' })
  }
  const looks = new Map<string, EdgeLook>()
  const words = new Map<string, string>()
  const edges = one.graph.edges.map(({ sign: _, ...edge }): DrawnEdge => {
    const took = shown.map(states => ['taken', 'active'].includes(states.edge(edge.id)))
    const by = took[0] ? (took[1] ? undefined : 0) : took[1] ? 1 : undefined
    if (by === undefined) looks.set(edge.id, took[0] ? 'taken' : 'dead')
    else {
      looks.set(edge.id, FRAMES[by] as EdgeLook)
      words.set(edge.id, nameOf(by))
    }
    return by === undefined ? edge : { ...edge, sign: LETTERS[by] as string }
  })
  const found: Looks = { nodes, edges: looks, words }
  return { graph: { nodes: one.graph.nodes, edges }, looks: found }
}

export const nameOf = (n: number): string => `${LETTERS[n]}, ${t(WORDS[n] ?? 'compare.later')}`
