import { useQueryClient } from '@tanstack/react-query'
import { type KeyboardEvent, lazy, Suspense, useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { isGone, isShared, post } from '../../api/client.ts'
import { useRetries, useRun } from '../../api/queries.ts'
import { useAddress } from '../../app/address.ts'
import { pressed } from '../../app/keys.ts'
import { Lost, useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Boundary, errorText, Failure, Gone, Skeleton } from '../../parts/Panel.tsx'
import { Scrubber } from '../../parts/Scrubber.tsx'
import { Splitter, useSplit } from '../../parts/Splitter.tsx'
import { isOver, shown } from '../../run/selectors.ts'
import type { Execution } from '../../run/state.ts'
import { t } from '../../words/words.ts'
import { isServed, runAgain } from './again.ts'
import { lastSuccess, pairOf } from './comparing.ts'
import { End } from './End.tsx'
import { Inspector, tabsOf } from './Inspector.tsx'
import { neighbour } from './neighbour.ts'
import { Reading } from './Reading.tsx'
import { listSearch, RunHead, titleOf } from './RunHead.tsx'
import { proposed } from './retrying.ts'
import { Steps } from './Steps.tsx'
import { Strip } from './Strip.tsx'
import { usePlay } from './usePlay.ts'
import { type RunView, useRunView } from './useRunView.ts'
import { useSaying } from './useSaying.ts'
import { ViewTabs } from './ViewTabs.tsx'
import '../../../styles/run.css'

const CompareRuns = lazy(() => import('./CompareRuns.tsx'))
const CallRun = lazy(() => import('./CallRun.tsx'))
const ShareRun = lazy(() => import('./ShareRun.tsx'))
const Import = lazy(() => import('../workflows/Import.tsx'))
const EditAgain = lazy(() => import('./EditAgain.tsx'))

export default function RunPage({ id }: { id: string }) {
  const query = useRun(id)
  const run = query.data
  const may = useMay()
  const mayRepeat = may && isServed(run)
  const view = useRunView(id)
  const [read, change, shut] = useAddress()
  const [path, to] = useLocation()
  const [failure, setFailure] = useState('')
  const [files, setFiles] = useState<File[] | null>(null)
  const retries = useQueryClient()
  const inspector = useRef<HTMLElement>(null)
  const tree = useRef<HTMLDivElement>(null)
  const fit = useRef<() => void>(() => undefined)
  const graph = useSplit('graph')
  const side = useSplit('inspector')
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
  // Keys act on the run's row and on its steps.
  const ready = run !== undefined && view.follow.head >= 0
  useEffect(() => {
    if (ready && document.activeElement === document.body) tree.current?.focus({ preventScroll: true })
  }, [ready])

  const fail = (error: unknown) => setFailure(errorText(error))
  const leave = async (what: Promise<{ run_id: string }>) => {
    try {
      const { run_id } = await what
      to(`/runs/${run_id}${listSearch()}`)
    } catch (error) {
      fail(error)
    }
  }
  const over = isOver(view.latest)
  const choices = useRetries(id, mayRepeat && over).data ?? []
  const repeat = async (node?: string, version = proposed(choices)?.version): Promise<{ run_id: string }> => {
    try {
      return await post(`runs/${id}/retry`, { from_node_id: node, version, current: choices[0]?.version })
    } catch (error) {
      // Another version may be the current one by now.
      void retries.invalidateQueries({ queryKey: ['retry', id] })
      throw error
    }
  }
  const retry = (node?: string, version?: number) => void leave(repeat(node, version))
  // As the button is there: for operators, of a run that is over.
  const again = () => run && mayRepeat && over && void leave(runAgain(run))
  const show = (execution: Execution) => {
    view.reveal(execution)
    view.pick(execution.id)
    inspector.current?.focus()
    if (window.matchMedia('(max-width: 760px)').matches) inspector.current?.scrollIntoView({ block: 'start' })
  }

  const shared = isShared()
  if (shared && (isGone(query.error) || isGone(view.follow.error))) return <ShareOver />
  if (isGone(query.error)) {
    return <Gone title={t('run.gone')} text={t('workflow.gone.text')} to="/runs" label={t('run.all')} />
  }
  const onlyFailed = read('failed') === '1'
  const keys = (event: KeyboardEvent) => {
    const action = pressed('run', event)
    const names = tabsOf(view, run, may)
    if (action === 'back') tree.current?.focus()
    else if (action === 'tab') change({ tab: names[Number(event.key) - 1] ?? read('tab') })
    else if (action === 'failure') nextFailure(view)
    else if (action === 'backward') view.go(view.position - 1)
    else if (action === 'forward') view.go(view.position + 1)
    else if (action === 'play') play()
    else if (action === 'end') view.go(view.follow.head)
    else if (action === 'fit') fit.current()
    else if (action === 'graph' || action === 'events' || action === 'answer') change({ view: action })
    else if ((action === 'newer' || action === 'older') && run && !shared)
      neighbour(run, action).then(other => other && to(`/runs/${other}${listSearch()}`), fail)
    else if (action === 'again') again()
    else return
    event.preventDefault()
  }
  return (
    <main id="main" className="runpage" onKeyDown={keys} data-path={path}>
      {run ? (
        <RunHead
          view={view}
          run={run}
          choices={choices}
          again={again}
          retry={retry}
          compare={async other => {
            try {
              change({ compare: other ?? (await lastSuccess(run)) }, true)
            } catch (error) {
              fail(error)
            }
          }}
          call={() => change({ call: '1' }, true)}
          share={() => change({ share: '1' }, true)}
          publish={() => setFiles([])}
          to={to}
          fail={fail}
        />
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
      {!shared && (view.follow.phase === 'ended' || view.follow.phase === 'held') && <Lost />}
      <Strip view={view} run={run} show={show} />
      <Reading view={view} />
      <div className="cols" style={{ ...graph.style, ...side.style }}>
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
          <Splitter split={graph} side="up" />
          <Steps
            view={view}
            onlyFailed={onlyFailed}
            tree={tree}
            toInspector={() => inspector.current?.focus()}
            setOnly={on => change({ failed: on ? '1' : undefined })}
          />
        </div>
        <Splitter split={side} side="right" />
        <Inspector
          view={view}
          run={run}
          choices={choices}
          retry={retry}
          edit={node => change({ edit: node }, true)}
          box={inspector}
        />
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
      {run && mayRepeat && read('call') && (
        <Boundary>
          <Suspense>
            <CallRun run={run} close={() => shut('call')} />
          </Suspense>
        </Boundary>
      )}
      {run && may && read('share') && (
        <Boundary>
          <Suspense>
            <ShareRun run={run} close={() => shut('share')} />
          </Suspense>
        </Boundary>
      )}
      {run && mayRepeat && over && read('edit') && (
        <Boundary>
          <Suspense>
            <EditAgain
              run={run}
              node={read('edit')}
              titleOf={node => titleOf(view, node)}
              close={() => shut('edit')}
              // In the place of the dialog: Back leads to the run.
              to={again => to(`/runs/${again}${listSearch()}`, { replace: true })}
            />
          </Suspense>
        </Boundary>
      )}
      {files && (
        <Boundary>
          <Suspense>
            <Import files={files} choose={setFiles} close={() => setFiles(null)} />
          </Suspense>
        </Boundary>
      )}
      {run && !shared && read('compare') && (
        <Boundary>
          <Suspense>
            <CompareRuns pair={pairOf(run, read('compare'))} view={view} close={() => shut('compare')} />
          </Suspense>
        </Boundary>
      )}
    </main>
  )
}

/** What stands in the place of a run whose link does not work, whatever the reason. */
export const ShareOver = () => <Gone title={t('share.over')} text={t('workflow.gone.text')} />

function nextFailure(view: RunView): void {
  const failed = view.run.failures.map(ordinal => view.run.executions[ordinal] as Execution)
  const at = failed.findIndex(one => one.id === view.picked.execution?.id)
  const next = failed[(at + 1) % failed.length]
  if (!next) return
  view.reveal(next)
  view.pick(next.id)
}
