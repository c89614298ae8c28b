import { useCallback, useEffect, useMemo, useState } from 'react'
import { isGone } from '../../api/client.ts'
import { useGraph } from '../../api/queries.ts'
import type { RunDetail } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { Graph } from '../../graph/Graph.tsx'
import { GraphStates } from '../../graph/states.ts'
import { Boundary, Empty, Failure, Skeleton } from '../../parts/Panel.tsx'
import { Tabs } from '../../parts/Tabs.tsx'
import { cause } from '../../run/failures.ts'
import { count, t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'
import { Answer, Events, InputsOutputs } from './Views.tsx'

const VIEWS = ['graph', 'answer', 'events', 'io'] as const

type Props = { view: RunView; run: RunDetail | undefined; onFit: (fit: () => void) => void }

export function ViewTabs({ view, run, onFit }: Props) {
  const [read, change] = useAddress()
  const asked = read('view')
  const chosen = VIEWS.find(one => one === asked) ?? 'graph'
  return (
    <Tabs
      label={t('views')}
      tabs={VIEWS.map(id => ({
        id,
        label: t(`view.${id}`),
        ...(id === 'events' && view.follow.head >= 0 ? { badge: count(view.follow.head + 1) } : {}),
      }))}
      chosen={chosen}
      choose={id => change({ view: id === 'graph' ? undefined : id })}
      panelClass={chosen === 'graph' ? 'graphpane' : 'pane'}
    >
      <Boundary key={chosen}>
        {chosen === 'graph' ? (
          <RunGraph view={view} run={run} onFit={onFit} />
        ) : chosen === 'answer' ? (
          <Answer view={view} />
        ) : chosen === 'events' ? (
          <Events view={view} />
        ) : (
          <InputsOutputs view={view} />
        )}
      </Boundary>
    </Tabs>
  )
}

function RunGraph({ view, run, onFit }: Props) {
  const found = useGraph(run)
  const states = useMemo(() => new GraphStates(), [])
  const [follow, setFollow] = useState(false)
  const graph = found.data
  useEffect(() => {
    if (graph) states.show(view.run, graph.edges, view.moment)
  }, [states, graph, view.run, view.moment])
  const running = view.run.executions.findLast(one => one.status === 'running')?.nodeId ?? ''
  const pick = useCallback((node: string) => view.pick(node), [view.pick])
  if (!graph)
    return isGone(found.error) ? (
      <Empty>{t('run.no_graph')}</Empty>
    ) : found.error ? (
      <Failure error={found.error} again={() => void found.refetch()} />
    ) : (
      <Skeleton rows={4} height={44} />
    )
  return (
    <Graph
      key={run?.app.id}
      app={run?.app.id ?? ''}
      graph={graph}
      states={states}
      picked={view.picked.node}
      pick={pick}
      onFit={onFit}
      follow={{ on: follow, set: setFollow, node: running }}
      failure={cause(view.run)?.nodeId}
    />
  )
}
