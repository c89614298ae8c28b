import { useMemo, useState } from 'react'
import type { AppDetail, Diff, Problem } from '../api/types.ts'
import { ChangedRow, WhyNoValues } from '../parts/Changes.tsx'
import { Empty } from '../parts/Panel.tsx'
import { LEVELS, Problems } from '../parts/Problems.tsx'
import { visible } from '../words/visible.ts'
import { listed, t, tn } from '../words/words.ts'
import { labelOf } from './fromApi.ts'
import { Graph } from './Graph.tsx'
import { GraphStates, type Looks, type NodeLook, type NodeMark } from './states.ts'
import { SIGN, type United, united } from './union.ts'

const ORDER = ['added', 'removed', 'changed'] as const

type Props = {
  app: string
  /** What is served, and what may be; without a difference it is a new workflow. */
  before?: AppDetail['graph'] | undefined
  now: AppDetail['graph']
  diff?: Diff | undefined
  /** What `check` finds of the later one. */
  problems: readonly Problem[]
}

/** What differs in two versions, and what is wrong with the later one: on one graph, and in words beside it. */
export default function Difference({ app, before, now, diff, problems }: Props) {
  const [picked, pick] = useState('')
  const [shown, show] = useState<{ node: string }>()
  const one = useMemo(() => united(before, now, diff), [before, now, diff])
  const states = useMemo(() => {
    const made = new GraphStates()
    made.tell(looks(one, problems))
    return made
  }, [one, problems])
  const titles = new Map(one.graph.nodes.map(node => [node.id, node.title || node.type]))
  const choose = (node: string) => {
    pick(node)
    show({ node })
  }
  const named = (node: string) => visible(titles.get(node) ?? node)
  const changed = ORDER.flatMap(change => diff?.nodes.filter(node => node.change === change) ?? [])
  const counts = ORDER.map(change => [change, changed.filter(node => node.change === change).length] as const)
  return (
    <div className="beside">
      {now.nodes.length > 0 && (
        <Graph
          app={app}
          graph={one.graph}
          states={states}
          picked={picked}
          pick={pick}
          shown={shown}
          first={changed.find(node => titles.has(node.id))?.id}
        />
      )}
      <section className="diff" aria-label={t('compare.what')} tabIndex={0}>
        <p className="empty dim" role="status">
          {picked && !one.nodes.has(picked) && titles.has(picked)
            ? t(diff ? 'compare.unchanged' : 'compare.new', { name: named(picked) })
            : listed(counts.map(([change, n]) => n > 0 && tn(`compare.${change}`, n)))}
        </p>
        {diff && diff.nodes.length + diff.edges.length + diff.features.length === 0 && (
          <Empty>{t('compare.same')}</Empty>
        )}
        {diff && <WhyNoValues fields={[...diff.nodes.flatMap(node => node.fields), ...diff.features]} />}
        {changed.map(node => (
          <ChangedRow
            key={node.id}
            {...node}
            beside={node.type}
            picked={node.id === picked}
            pick={titles.has(node.id) ? () => choose(node.id) : undefined}
          />
        ))}
        {diff?.edges.map(edge => {
          const drawn = now.edges.concat(before?.edges ?? []).find(other => isSame(edge, other))
          const label = labelOf({ ...drawn, handle: edge.handle })
          return (
            <ChangedRow
              key={`${edge.source} ${edge.handle} ${edge.target} ${edge.change}`}
              title=""
              beside={`${named(edge.source)} → ${named(edge.target)}${label && ` (${label})`}`}
              change={edge.change}
            />
          )
        })}
        {diff?.features.map(field => (
          <ChangedRow key={field.path} title="" change="changed" fields={[field]} />
        ))}
        <Problems problems={problems} titles={titles} pick={choose} picked={picked} />
      </section>
    </div>
  )
}

type End = { readonly source: string; readonly handle: string; readonly target: string }
const isSame = (one: End, other: End) =>
  one.source === other.source && one.handle === other.handle && one.target === other.target

function looks(one: United, problems: readonly Problem[]): Looks {
  const nodes = new Map<string, NodeLook>()
  for (const { id } of one.graph.nodes) {
    const change = one.nodes.get(id)
    const found = problems.filter(problem => problem.node_id === id)
    const marks: NodeMark[] = change ? [{ sign: SIGN[change], word: t(`change.${change}`) }] : []
    for (const icon of ['failed', 'partial'] as const) {
      const levels = found.filter(({ level }) => LEVELS[level] === icon).map(({ level }) => t(`level.${level}`))
      if (levels.length > 0) marks.push({ icon, word: listed([...new Set(levels)]) })
    }
    if (marks.length > 0)
      nodes.set(id, { sub: change ? t(`change.${change}`) : '', marks, ...(change && { frame: change }) })
  }
  return {
    nodes,
    edges: one.edges,
    words: new Map([...one.edges].map(([id, change]) => [id, t(`change.${change}`)])),
  }
}
