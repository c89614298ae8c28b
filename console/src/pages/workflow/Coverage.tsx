import { useEffect, useMemo } from 'react'
import { useCoverage } from '../../api/queries.ts'
import type { AppDetail, RunCoverage } from '../../api/types.ts'
import { covered } from '../../graph/coverage.ts'
import { labelOf } from '../../graph/fromApi.ts'
import type { GraphStates } from '../../graph/states.ts'
import { Loaded } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { count, t, tn, useLanguage } from '../../words/words.ts'

/** What the newest runs of the version came to: on the graph while it is there, and in words below it. */
export function Coverage({ app, states }: { app: AppDetail; states: GraphStates }) {
  const coverage = useCoverage(app.id, app.version.workflow_id, true)
  const language = useLanguage()
  // biome-ignore lint/correctness/useExhaustiveDependencies: its words are those of the language.
  useEffect(() => {
    states.tell(coverage.data?.runs ? covered(coverage.data, app.graph.edges) : undefined)
    return () => states.tell()
  }, [states, coverage.data, app, language])
  return (
    <div className="coverage">
      <Loaded of={coverage} rows={1}>
        {data => <Legend app={app} data={data} />}
      </Loaded>
    </div>
  )
}

function Legend({ app, data }: { app: AppDetail; data: RunCoverage }) {
  const branches = useMemo(() => data.nodes.flatMap(node => node.branches.map(branch => ({ ...branch, node }))), [data])
  const never = data.nodes.filter(node => node.times === 0)
  const untaken = branches.filter(branch => branch.times === 0)
  const name = ({ handle, node }: (typeof branches)[number]) => {
    const edge = app.graph.edges.find(one => one.source === node.id && one.handle === handle)
    return visible(`${node.title} → ${(edge && labelOf(edge)) || handle}`)
  }
  const counts = {
    nodes: count(data.nodes.length - never.length),
    allNodes: count(data.nodes.length),
    branches: count(branches.length - untaken.length),
    allBranches: count(branches.length),
  }
  return (
    <>
      <p role="status">{data.runs === 0 ? t('coverage.none') : tn('coverage.of', data.runs, counts)}</p>
      {data.unread > 0 && <p>{tn('coverage.left_out', data.unread)}</p>}
      {data.runs > 0 && never.length + untaken.length > 0 && (
        <ul>
          {never.map(node => (
            <li key={node.id}>
              <i className="key node st-skipped" aria-hidden="true" />
              <span>{`${visible(node.title)}: ${t('coverage.never_ran')}`}</span>
            </li>
          ))}
          {untaken.map(branch => (
            <li key={`${branch.node.id} ${branch.handle}`}>
              <i className="key never" aria-hidden="true" />
              <span>{`${name(branch)}: ${t('coverage.never_taken')}`}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
