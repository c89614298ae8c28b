import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useMemo, useRef, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { address, isGone, remove } from '../../api/client.ts'
import { useApp, useVersions } from '../../api/queries.ts'
import type { AppDetail } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { useNow } from '../../app/useNow.ts'
import { detailOf } from '../../graph/detail.ts'
import { Graph } from '../../graph/Graph.tsx'
import { GraphStates } from '../../graph/states.ts'
import { Code } from '../../parts/Code.tsx'
import { Confirm } from '../../parts/Dialog.tsx'
import { AppIcon, Icon, Kind } from '../../parts/Icon.tsx'
import { Menu } from '../../parts/Menu.tsx'
import { NodeSource } from '../../parts/NodeSource.tsx'
import { Empty, Failure, Gone, Loaded, Panel, Skeleton } from '../../parts/Panel.tsx'
import { Problems } from '../../parts/Problems.tsx'
import { Ticks } from '../../parts/Ticks.tsx'
import { useAction } from '../../parts/useAction.ts'
import { ago, moment, t, tn } from '../../words/words.ts'
import { RunRow } from '../runs/RunRow.tsx'
import { useListFocus } from '../runs/useListFocus.ts'
import { useRuns } from '../runs/useRuns.ts'
import { TriggerTable } from '../triggers/TriggerTable.tsx'
import { CallIt } from './CallIt.tsx'
import { Coverage } from './Coverage.tsx'
import { Environment } from './Environment.tsx'
import { Keys } from './Keys.tsx'
import { RunForm } from './RunForm.tsx'
import { Compare, Versions } from './Versions.tsx'
import '../../../styles/workflow.css'
import '../../../styles/runs.css'
import { visible } from '../../words/visible.ts'

export default function WorkflowPage({ id }: { id: string }) {
  const [read, change, shut] = useAddress()
  const app = useApp(id, read('version') || undefined)
  useTitle(app.data?.name ?? t('runs.workflow'))
  if (isGone(app.error)) {
    return <Gone title={t('workflow.gone')} text={t('workflow.gone.text')} to="/" label={t('workflows.all')} />
  }
  if (!app.data) {
    return (
      <main id="main" className="page">
        {app.error ? <Failure error={app.error} again={() => void app.refetch()} /> : <Skeleton rows={10} />}
      </main>
    )
  }
  return (
    <Workflow
      app={app.data}
      compare={read('compare')}
      setCompare={to => change({ compare: to }, !read('compare'))}
      close={() => shut('compare')}
    />
  )
}

function Workflow({
  app,
  compare,
  setCompare,
  close,
}: {
  app: AppDetail
  compare: string
  setCompare: (to: string) => void
  close: () => void
}) {
  const may = useMay()
  const [read, change] = useAddress()
  const [, to] = useLocation()
  const cache = useQueryClient()
  const versions = useVersions(app.id)
  const [asking, setAsking] = useState(false)
  const { error, act } = useAction()
  const graphBox = useRef<HTMLDivElement>(null)
  const states = useMemo(() => new GraphStates(), [])
  const titles = useMemo(() => new Map(app.graph.nodes.map(node => [node.id, node.title || node.type])), [app])
  const covers = read('coverage') === '1'
  const pick = useCallback((node: string) => change({ node }), [change])
  const steps = app.graph.nodes.filter(node => !node.type.includes('note') && !node.type.endsWith('-start'))
  const chosen = steps.find(node => node.id === read('node'))
  const forget = () =>
    act(async () => {
      await remove(`apps/${app.id}`)
      await cache.invalidateQueries({ queryKey: ['apps'] })
      to('/')
    })
  const version = `apps/${app.id}/versions/${app.version.workflow_id}`
  return (
    <main id="main" className="page workflow">
      <div className="head">
        <AppIcon icon={app.icon} size="big" />
        <div className="grow">
          <h1 dir="auto">{visible(app.name)}</h1>
          <div className="sub cut" dir="auto">
            {visible(app.description)}
          </div>
        </div>
        <span className="tag only-large" title={moment(app.version.published_at)}>
          {t('workflow.version', { n: app.version.number, ago: ago(app.version.published_at) })}
        </span>
        {app.versions > 1 && (
          <button type="button" className="btn" aria-label={t('compare')} onClick={() => setCompare('last')}>
            <Icon name="diff" />
            <span className="only-large">{t('compare')}</span>
          </button>
        )}
        <Menu
          label={t('more')}
          entries={[
            { label: t('workflow.runs'), icon: 'runs', act: () => to(`/runs?app=${app.id}`) },
            ...(may
              ? [
                  {
                    label: t('source.file'),
                    icon: 'download',
                    act: () => location.assign(address(`${version}/source`)),
                  },
                ]
              : []),
            ...(may ? [{ label: t('workflow.delete'), icon: 'trash', bad: true, act: () => setAsking(true) }] : []),
          ]}
        />
      </div>
      {error !== null && <Failure error={error} />}
      <div className="two">
        <div className="colm">
          <section className="panel" ref={graphBox}>
            <header>
              <h2>{t('view.graph')}</h2>
              <span className="faint cut">{tn('workflow.nodes', steps.length)}</span>
              {chosen && (
                <span className="more row cut">
                  <Kind type={chosen.type} />
                  <span className="strong cut">{visible(chosen.title)}</span>
                  <span className="faint cut">{[chosen.type, detailOf(chosen)].filter(Boolean).join(' · ')}</span>
                </span>
              )}
              {!chosen && <span className="more" />}
              <button
                type="button"
                className="btn small"
                aria-pressed={covers}
                onClick={() => change({ coverage: covers ? undefined : '1' })}
              >
                {t('coverage')}
              </button>
            </header>
            <Graph key={app.id} app={app.id} graph={app.graph} states={states} picked={read('node')} pick={pick} />
            {covers && <Coverage app={app} states={states} />}
            <ul className="sr" aria-label={t('workflow.node_list')}>
              {steps.map(node => (
                <li key={node.id}>{`${node.title} (${node.type})`}</li>
              ))}
            </ul>
          </section>
          {may && chosen && (
            <Panel title={t('tab.source')} beside={<span className="faint cut">{visible(chosen.title)}</span>}>
              <NodeSource app={app.id} version={app.version.workflow_id} node={chosen.id} />
            </Panel>
          )}
          <Recent app={app} />
          {app.graph.nodes.some(node => node.type.startsWith('trigger-')) && (
            <Panel title={t('page.triggers')} plain>
              <TriggerTable app={app.id} withApp={false} />
            </Panel>
          )}
          <Panel
            title={t('problems.title')}
            plain
            beside={
              <>
                {app.problems.length > 0 && <span className="badge">{app.problems.length}</span>}
                <span className="more" />
                <span className="faint hide">
                  <Code text={t('problems.as')} />
                </span>
              </>
            }
          >
            <Problems
              problems={app.problems}
              titles={titles}
              pick={node => {
                pick(node)
                graphBox.current?.scrollIntoView({ block: 'nearest' })
              }}
            />
          </Panel>
          <Loaded of={versions}>{list => <Versions app={app} versions={list} compare={setCompare} />}</Loaded>
        </div>
        <div className="colm">
          {may && <RunForm app={app} />}
          <CallIt app={app} />
          {may && <Keys app={app} />}
          {may && <Environment app={app} />}
        </div>
      </div>
      {compare && versions.data && (
        <Compare app={app} versions={versions.data} pair={compare} choose={setCompare} close={close} />
      )}
      {asking && (
        <Confirm
          label={t('workflow.delete')}
          text={t('workflow.delete.text', { name: visible(app.name) })}
          action={t('delete')}
          act={() => void forget()}
          close={() => setAsking(false)}
        />
      )}
    </main>
  )
}

function Recent({ app }: { app: AppDetail }) {
  const filter = useMemo(() => ({ app: app.id }), [app.id])
  const { query, runs, live, showNew } = useRuns(filter)
  const now = useNow(runs.some(run => run.status === 'running'))
  const list = useRef<HTMLElement>(null)
  const focus = useListFocus(list)
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: takes the focus of what leaves it
    <section className="panel" ref={list} tabIndex={-1} onFocus={focus}>
      <header>
        <h2>{t('workflow.recent')}</h2>
        <Ticks runs={app.last_runs} />
        <span className="more" />
        <Link className="btn small plain" href={`/runs?app=${app.id}`}>
          {app.day.runs > 0 ? tn('workflow.today', app.day.runs) : t('workflow.runs')}
        </Link>
      </header>
      {live.fresh > 0 && (
        <button type="button" className="new" onClick={() => void showNew()}>
          {tn('runs.new', live.fresh)}
        </button>
      )}
      {query.isPending ? (
        <Skeleton rows={8} />
      ) : query.error ? (
        <Failure error={query.error} again={() => void query.refetch()} />
      ) : runs.length === 0 ? (
        <Empty>{t('workflow.no_runs')}</Empty>
      ) : (
        <table>
          <thead>
            <tr>
              <th className="c-status">{t('runs.status')}</th>
              <th>{t('runs.happened')}</th>
              <th className="c-number right hide">{t('runs.tokens')}</th>
              <th className="c-user hide">{t('runs.user')}</th>
              <th className="c-number right">{t('runs.took')}</th>
              <th className="c-started right hide">{t('runs.started')}</th>
            </tr>
          </thead>
          <tbody>
            {runs.slice(0, 8).map(run => (
              <RunRow key={run.id} run={run} now={now} query={`?app=${app.id}`} withApp={false} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
