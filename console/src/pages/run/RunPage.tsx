import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { ApiError, post } from '../../api/client.ts'
import { useApp, useRun } from '../../api/queries.ts'
import type { RunDetail } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { announce } from '../../app/announce.tsx'
import { pressed } from '../../app/keys.ts'
import { Lost, useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Graph } from '../../graph/Graph.tsx'
import { GraphStates } from '../../graph/states.ts'
import { asInput, holdsFiles } from '../../parts/Fields.tsx'
import { Icon, statusWord } from '../../parts/Icon.tsx'
import { Boundary, errorText, Failure, Gone, Skeleton } from '../../parts/Panel.tsx'
import { Scrubber } from '../../parts/Scrubber.tsx'
import { StepTree } from '../../parts/StepTree.tsx'
import { Tabs } from '../../parts/Tabs.tsx'
import type { Execution } from '../../run/fold.ts'
import { axis, isOver, type Row, rows, shown } from '../../run/selectors.ts'
import { count, duration, t, tn } from '../../words/words.ts'
import { Inspector, tabsOf } from './Inspector.tsx'
import { neighbour } from './neighbour.ts'
import { listSearch, RunHead } from './RunHead.tsx'
import { Strip } from './Strip.tsx'
import { type RunView, useRunView } from './useRunView.ts'
import { Answer, Events, InputsOutputs } from './Views.tsx'
import '../../../styles/run.css'

const VIEWS = ['graph', 'answer', 'events', 'io'] as const

export default function RunPage({ id }: { id: string }) {
  const query = useRun(id)
  const run = query.data
  const may = useMay()
  const view = useRunView(id)
  const [read, change] = useAddress()
  const [path, to] = useLocation()
  const [failure, setFailure] = useState('')
  const inspector = useRef<HTMLElement>(null)
  const tree = useRef<HTMLDivElement>(null)
  const fit = useRef<() => void>(() => undefined)
  const [playing, play] = usePlay(view)
  const status = view.follow.head >= 0 ? shown(view.latest.status) : run?.status
  useTitle(run?.app.name ?? t('runs.run'), status)
  useSaying(view)
  // The row has what the log has not: what the end of the run made of it.
  const ended = view.follow.phase === 'ended'
  const { refetch } = query
  useEffect(() => {
    if (ended) void refetch()
  }, [ended, refetch])
  useEffect(() => {
    if (view.follow.head >= 0 && document.activeElement === document.body) tree.current?.focus({ preventScroll: true })
  }, [view.follow.head])

  const fail = (error: unknown) => setFailure(errorText(error))
  const leave = async (what: Promise<{ run_id: string }>) => {
    try {
      const { run_id } = await what
      to(`/runs/${run_id}${listSearch()}`)
    } catch (error) {
      fail(error)
    }
  }
  const retry = (node?: string) => void leave(post(`runs/${id}/retry`, node ? { from_node_id: node } : {}))
  // As the button is there: for operators, of a run that is over.
  const again = () => run && may && isOver(view.latest) && void leave(runAgain(run))
  const show = (execution: Execution) => {
    view.reveal(execution)
    view.pick(execution.id)
    inspector.current?.focus()
    if (window.matchMedia('(max-width: 760px)').matches) inspector.current?.scrollIntoView({ block: 'start' })
  }

  if (query.error instanceof ApiError && query.error.status === 404) {
    return <Gone title={t('run.gone')} text={t('run.gone.text')} to="/runs" label={t('run.all')} />
  }
  const onlyFailed = read('failed') === '1'
  const keys = (event: KeyboardEvent) => {
    const action = pressed('run', event)
    const names = tabsOf(view)
    if (action === 'back') tree.current?.focus()
    else if (action === 'tab') change({ tab: names[Number(event.key) - 1] ?? read('tab') })
    else if (action === 'failure') nextFailure(view)
    else if (action === 'backward') view.go(view.position - 1)
    else if (action === 'forward') view.go(view.position + 1)
    else if (action === 'play') play()
    else if (action === 'end') view.go(view.follow.head)
    else if (action === 'fit') fit.current()
    else if (action === 'graph' || action === 'events' || action === 'answer') change({ view: action })
    else if ((action === 'newer' || action === 'older') && run)
      void neighbour(run, action).then(other => other && to(`/runs/${other}${listSearch()}`))
    else if (action === 'again') again()
    else return
    event.preventDefault()
  }
  return (
    <main id="main" className="runpage" onKeyDown={keys} data-path={path}>
      {run ? (
        <RunHead view={view} run={run} again={again} retry={() => retry()} to={to} fail={fail} />
      ) : query.error ? (
        <Failure error={query.error} again={() => void query.refetch()} />
      ) : (
        <Skeleton rows={1} height={56} />
      )}
      {failure && (
        <div className="strip st-failed" role="alert">
          <Icon name="failed" />
          <span className="grow">{failure}</span>
          <button type="button" className="btn plain icon small" aria-label={t('close')} onClick={() => setFailure('')}>
            <Icon name="close" small />
          </button>
        </div>
      )}
      {(view.follow.phase === 'ended' || view.follow.phase === 'held') && <Lost />}
      <Strip view={view} run={run} show={show} />
      <Reading view={view} />
      <div className="cols">
        <div className="left">
          <section className="top" aria-label={t('views')}>
            <ViewTabs
              view={view}
              run={run}
              onFit={then => {
                fit.current = then
              }}
            />
          </section>
          <Steps
            view={view}
            onlyFailed={onlyFailed}
            tree={tree}
            toInspector={() => inspector.current?.focus()}
            setOnly={on => change({ failed: on ? '1' : undefined })}
          />
        </div>
        <Inspector view={view} run={run} retry={retry} box={inspector} />
      </div>
      <Scrubber
        events={view.follower.log.events}
        head={view.follow.head}
        position={view.position}
        at={view.run.at}
        go={view.go}
        playing={playing}
        play={play}
      >
        <End view={view} />
      </Scrubber>
    </main>
  )
}

/** How far a long log has been read; at very many events it stops and asks. */
function Reading({ view }: { view: RunView }) {
  const { phase, head, end, error } = view.follow
  if (phase === 'failed') return <Failure error={error} again={() => void view.follower.start()} />
  if (phase === 'held') {
    return (
      <div className="strip st-live">
        <Icon name="clock" />
        <span className="grow">{t('reading.held', { n: count(head + 1), all: count(end + 1) })}</span>
        <button type="button" className="btn small" onClick={() => void view.follower.start(Number.POSITIVE_INFINITY)}>
          {t('reading.all')}
        </button>
      </div>
    )
  }
  if (phase !== 'loading' || head >= end || head < 1999) return null
  return (
    <div className="strip st-live" role="status">
      <Icon name="running" className="st-running" />
      <span className="grow">{t('reading', { n: count(head + 1), all: count(end + 1) })}</span>
    </div>
  )
}

function ViewTabs({
  view,
  run,
  onFit,
}: {
  view: RunView
  run: RunDetail | undefined
  onFit: (fit: () => void) => void
}) {
  const [read, change] = useAddress()
  const asked = read('view')
  const chosen = VIEWS.find(one => one === asked) ?? 'graph'
  return (
    <Tabs
      label={t('views')}
      tabs={VIEWS.map(id => ({
        id,
        label: t(`view.${id}`),
        ...(id === 'events' ? { badge: count(view.follow.head + 1) } : {}),
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

function RunGraph({
  view,
  run,
  onFit,
}: {
  view: RunView
  run: RunDetail | undefined
  onFit: (fit: () => void) => void
}) {
  const app = useApp(run?.app.id ?? '', run?.workflow_id)
  const states = useMemo(() => new GraphStates(), [])
  const [follow, setFollow] = useState(false)
  const graph = app.data?.graph
  useEffect(() => {
    if (graph) states.show(view.run, graph.edges, view.moment)
  }, [states, graph, view.run, view.moment])
  const running = view.run.executions.findLast(one => one.status === 'running')?.nodeId ?? ''
  const pick = useCallback((node: string) => view.pick(node), [view.pick])
  if (!graph)
    return app.error ? (
      <Failure error={app.error} again={() => void app.refetch()} />
    ) : (
      <Skeleton rows={4} height={44} />
    )
  return (
    <Graph
      graph={graph}
      states={states}
      picked={view.picked.node}
      pick={pick}
      onFit={onFit}
      follow={{ on: follow, set: setFollow, node: running }}
    />
  )
}

/** A moment of the axis: `5 s` rather than `5.00 s`. */
const tickLabel = (at: number): string => (at === 0 ? '0' : at < 1 || at >= 60 ? duration(at) : `${at} s`)

type StepsProps = {
  view: RunView
  onlyFailed: boolean
  setOnly: (on: boolean) => void
  tree: React.RefObject<HTMLDivElement | null>
  toInspector: () => void
}

function Steps({ view, onlyFailed, setOnly, tree, toInspector }: StepsProps) {
  const list = useMemo(() => rows(view.run, view.open, onlyFailed), [view.run, view.open, onlyFailed])
  const on = useMemo(
    () => axis(view.latest, view.atEnd ? view.moment : view.latest.at),
    [view.latest, view.atEnd, view.moment],
  )
  const { pick: choose } = view
  const pick = useCallback(
    (row: Row) => {
      if (row.kind === 'node') choose(row.id)
      else if (row.kind === 'round') choose(row.of.id, row.index)
    },
    [choose],
  )
  const all = view.run.executions.length
  return (
    <section className="steps" aria-labelledby="steps-title">
      <header>
        <h2 id="steps-title">{t('steps')}</h2>
        <span className="faint num">
          {view.unread
            ? ''
            : all > list.length
              ? t('of', { n: count(list.length), all: count(all) })
              : count(list.length)}
        </span>
        <span className="more" />
        <label className="row dim">
          <input type="checkbox" checked={onlyFailed} onChange={event => setOnly(event.target.checked)} />{' '}
          {t('steps.only_failed')}
        </label>
        <div className="axis only-large" aria-hidden="true">
          {(view.unread ? [] : on.ticks).map(tick => (
            <span key={tick.at} style={{ left: `${tick.x}%` }}>
              {tickLabel(tick.at)}
            </span>
          ))}
        </div>
      </header>
      <Boundary>
        {view.begins && <Skeleton rows={4} height={28} />}
        {list.length === 0 && view.follow.phase !== 'loading' && view.follow.phase !== 'failed' && (
          <p className="empty dim">{t(onlyFailed ? 'steps.none_failed' : 'steps.none')}</p>
        )}
        <StepTree
          rows={list}
          picked={view.picked.row}
          pick={pick}
          toggle={view.toggle}
          axis={on}
          now={view.moment}
          playhead={view.atEnd ? undefined : view.run.at}
          toInspector={toInspector}
          tree={tree}
        />
      </Boundary>
    </section>
  )
}

/** What stands at the end of the scrubber: live, paused or ended, and the way there from an earlier moment. */
function End({ view }: { view: RunView }) {
  const over = isOver(view.latest)
  if (view.follow.head < 0) return null
  if (!view.atEnd) {
    return (
      <button type="button" className="btn small" onClick={() => view.go(view.follow.head)}>
        {t(over ? 'replay.to_end' : 'replay.to_live')}
      </button>
    )
  }
  const look = over
    ? ''
    : view.follow.phase === 'reconnecting'
      ? 'partial'
      : view.latest.status === 'paused'
        ? 'paused'
        : 'running'
  return (
    <span className={`btn small still ${look ? `st st-${look}` : 'dim'}`}>
      {look && <Icon name={look} />}
      {t(over ? 'ended' : look === 'partial' ? 'reconnecting' : look === 'paused' ? 'paused' : 'live')}
    </span>
  )
}

/** Plays through the log from where it is looked at, in about ten seconds. */
function usePlay(view: RunView): [boolean, () => void] {
  const [playing, setPlaying] = useState(false)
  const at = useRef(view.position)
  at.current = view.position
  const { head } = view.follow
  const go = useRef(view.go)
  go.current = view.go
  useEffect(() => {
    if (!playing) return
    let last = performance.now()
    let due = 0
    let frame = requestAnimationFrame(function step(now) {
      due += ((now - last) * (head + 1)) / 10_000
      last = now
      const whole = Math.floor(due)
      due -= whole
      if (whole > 0) go.current(at.current + whole)
      if (at.current + whole >= head) setPlaying(false)
      else frame = requestAnimationFrame(step)
    })
    return () => cancelAnimationFrame(frame)
  }, [playing, head])
  const play = () => {
    if (!playing && view.atEnd) {
      at.current = 0
      view.go(0)
    }
    setPlaying(!playing)
  }
  return [playing, play]
}

/** Tells changes of status and failures to those who listen. */
function useSaying(view: RunView): void {
  const { latest } = view
  const before = useRef<{ status: string; failures: number } | null>(null)
  useEffect(() => {
    if (view.follow.phase === 'loading') return
    const old = before.current
    before.current = { status: latest.status, failures: latest.failures.length }
    if (!old) return
    for (const ordinal of latest.failures.slice(old.failures, old.failures + 3)) {
      const execution = latest.executions[ordinal]
      if (execution) announce(`${execution.title || execution.type}: ${statusWord(shown(execution.status))}`)
    }
    if (latest.status !== old.status)
      announce(tn('said.status', latest.executions.length, { status: statusWord(shown(latest.status)) }))
  }, [latest, view.follow.phase])
}

function nextFailure(view: RunView): void {
  const failed = view.run.failures.map(ordinal => view.run.executions[ordinal] as Execution)
  const at = failed.findIndex(one => one.id === view.picked.execution?.id)
  const next = failed[(at + 1) % failed.length]
  if (!next) return
  view.reveal(next)
  view.pick(next.id)
}

const runAgain = (run: RunDetail) => {
  // Values of the system are the run's own, not what it was given.
  const inputs = Object.fromEntries(Object.entries(run.inputs).filter(([name]) => !name.startsWith('sys.')))
  const given = Object.fromEntries(
    Object.entries(inputs)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, asInput(value)]),
  )
  // Files are their user's alone.
  return post<{ run_id: string }>(`apps/${run.app.id}/runs`, {
    inputs: given,
    ...(holdsFiles(inputs) ? { user: run.user } : {}),
  })
}
