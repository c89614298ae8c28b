import { lazy, type RefObject, Suspense } from 'react'
import { isShared } from '../../api/client.ts'
import type { RetryChoice, RunDetail } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Icon, Kind, Status } from '../../parts/Icon.tsx'
import { NodeSource } from '../../parts/NodeSource.tsx'
import { Boundary, Skeleton } from '../../parts/Panel.tsx'
import { Tabs } from '../../parts/Tabs.tsx'
import { isOver, shown, tookOf, valuesOf } from '../../run/selectors.ts'
import type { Execution } from '../../run/state.ts'
import { visible } from '../../words/visible.ts'
import { clock, count, duration, money, number, t, tn, type Word } from '../../words/words.ts'
import { AnswerForm } from './AnswerForm.tsx'
import { isServed } from './again.ts'
import { Calls } from './Calls.tsx'
import { Detail, Tries } from './Detail.tsx'
import { RoundPanel, Rounds } from './Rounds.tsx'
import { fromHere } from './retrying.ts'
import type { RunView } from './useRunView.ts'
import { Input, Output, type Told } from './Values.tsx'

const Conditions = lazy(() => import('./Conditions.tsx'))
/** Nodes that choose a way, or elements of a list. */
const CHOOSES = ['if-else', 'question-classifier', 'list-operator']

type Props = {
  view: RunView
  run: RunDetail | undefined
  choices: readonly RetryChoice[]
  retry: Retry
  /** Edit what a node reads, and run again from it. */
  edit: (node: string) => void
  box: RefObject<HTMLElement | null>
}
type Retry = (node?: string, version?: number) => void

/** The tabs of an execution, the one that tells most first. */
export function tabsOf(view: RunView, run: RunDetail | undefined, may: boolean): string[] {
  const { execution, round } = view.picked
  if (!execution) return []
  if (round !== undefined) return ['rounds']
  const served = isServed(run)
  const form = view.run.forms.some(one => one.executionId === execution.id)
  return [
    ...(form ? ['form'] : execution.roundList ? ['rounds'] : []),
    ...(served && CHOOSES.includes(execution.type) ? ['conditions'] : []),
    'output',
    ...(execution.type === 'agent' ? ['calls'] : []),
    'input',
    ...(may && served ? ['source'] : []),
    'detail',
    ...(execution.attempts.length > 0 ? ['tries'] : []),
  ]
}

export function Inspector({ view, run, choices, retry, edit, box }: Props) {
  const [read, change] = useAddress()
  const { execution, round } = view.picked
  const may = useMay()
  const names = tabsOf(view, run, may)
  const tab = names.includes(read('tab')) ? read('tab') : (names[0] ?? '')
  return (
    <aside className="inspector" aria-label={t('inspector')} tabIndex={-1} ref={box}>
      {view.begins ? (
        <Skeleton rows={4} />
      ) : view.unread ? null : !execution ? (
        <div className="body">
          <p className="dim">{t(view.picked.node ? 'inspector.not_run' : 'inspector.none')}</p>
          <p className="faint only-large">{t('inspector.hint')}</p>
        </div>
      ) : (
        <Boundary key={`${execution.id} ${round}`}>
          <Head
            view={view}
            run={run}
            execution={execution}
            choices={choices}
            retry={retry}
            edit={edit}
            canRetry={isServed(run) && isOver(view.latest)}
          />
          <Tabs
            label={t('inspector.values')}
            tabs={names.map(id => ({
              id,
              label: t(`tab.${id}` as Word),
              ...(id === 'tries' ? { badge: String(execution.attempts.length + 1) } : {}),
            }))}
            chosen={tab}
            choose={id => change({ tab: id })}
          >
            {/* The tabs stay, and so does the focus in them. */}
            <Boundary key={tab}>
              <Body tab={tab} view={view} execution={execution} run={run} choices={choices} retry={retry} edit={edit} />
            </Boundary>
          </Tabs>
        </Boundary>
      )}
    </aside>
  )
}

function Head({
  view,
  run,
  execution,
  choices,
  retry,
  edit,
  canRetry,
}: {
  view: RunView
  run: RunDetail | undefined
  execution: Execution
  choices: readonly RetryChoice[]
  retry: Retry
  edit: (node: string) => void
  canRetry: boolean
}) {
  const may = useMay()
  const { round } = view.picked
  const state = round === undefined ? shown(execution.status) : shown(execution.roundList?.[round]?.status ?? 'queued')
  const seconds = round === undefined ? tookOf(execution, view.moment) : execution.roundList?.[round]?.elapsed
  const where = execution.rounds
    .map(one => `${titleOf(view, one[0])} · ${t('round', { n: count(one[3] + 1) })}`)
    .join(' › ')
  return (
    <div className="hd">
      <div className="row">
        <Kind type={execution.type} />
        <h2 className="cut grow" dir="auto">
          {round === undefined
            ? visible(execution.title || execution.type)
            : t('round.of', { n: count(round + 1), all: count(execution.length ?? 0) })}
        </h2>
        {!isShared() && <Copy text={() => location.href} label={t('copy.link')} icon="link" />}
        {may && canRetry && round === undefined && execution.rounds.length === 0 && (
          <>
            <button
              type="button"
              className="btn plain icon small"
              aria-label={fromHere(choices)}
              title={fromHere(choices)}
              onClick={() => retry(execution.nodeId)}
            >
              <Icon name="again" />
            </button>
            <button
              type="button"
              className="btn plain icon small"
              aria-label={t('edit.here')}
              title={t('edit.here')}
              onClick={() => edit(execution.nodeId)}
            >
              <Icon name="edit" />
            </button>
          </>
        )}
      </div>
      <div className="row wrap facts3">
        <Status status={state} />
        <span className="num dim">
          {execution.status === 'paused' ? t('since', { at: clock(execution.startedAt) }) : duration(seconds)}
        </span>
        {round === undefined && execution.tokens > 0 && (
          <span className="num dim">{tn('tokens', execution.tokens)}</span>
        )}
        {round === undefined && execution.price > 0 && <span className="num dim">{money(execution.price)}</span>}
        {round === undefined && <Pace view={view} execution={execution} />}
        {isFake(view, execution) ? (
          <span className="pill">{t('edit.fake')}</span>
        ) : (
          isGiven(run, execution.nodeId) && <span className="pill">{t('retry.given')}</span>
        )}
        {where && <span className="faint cut">{where}</span>}
      </div>
    </div>
  )
}

/** Whether the outputs of a node were given when the run was repeated, all or some. */
const isGiven = (run: RunDetail | undefined, node: string): boolean =>
  !!run && (run.lineage.mocked.includes(node) || node in run.lineage.replaced)

/** Whether a fake model answered in the place of the node's own. */
const isFake = (view: RunView, execution: Execution): boolean =>
  (valuesOf(view.follower.log.events, execution) as Told | undefined)?.process_data?.fake_model === true

/** When a model's first text came, and how quickly the rest. While it speaks nobody knows its tokens. */
function Pace({ view, execution }: { view: RunView; execution: Execution }) {
  const { outputs } = (valuesOf(view.follower.log.events, execution) ?? {}) as Partial<Told>
  const used = (outputs?.usage ?? {}) as { [name: string]: unknown }
  const known = (name: string) => (typeof used[name] === 'number' ? used[name] : undefined)
  const seconds = known('time_to_generate')
  const first =
    known('time_to_first_token') ??
    (execution.saidAt !== undefined && execution.type === 'llm' ? execution.saidAt - execution.startedAt : undefined)
  if (first === undefined) return null
  const rate = seconds ? (known('completion_tokens') ?? 0) / seconds : 0
  return (
    <>
      <span className="num dim">{t('first_token', { time: duration(Math.max(0, first)) })}</span>
      {rate > 0 && <span className="num dim">{t('tokens_a_second', { n: number(rate, rate < 100 ? 1 : 0) })}</span>}
    </>
  )
}

const titleOf = (view: RunView, id: string): string => {
  const container = view.run.executions[view.run.ordinals.get(id) ?? -1]
  return container?.title || container?.nodeId || ''
}

function Body({
  tab,
  view,
  execution,
  run,
  choices,
  retry,
  edit,
}: {
  tab: string
  view: RunView
  execution: Execution
  run: RunDetail | undefined
  choices: readonly RetryChoice[]
  retry: Retry
  edit: (node: string) => void
}) {
  const told = valuesOf(view.follower.log.events, execution) as Told | undefined
  if (tab === 'form') return <AnswerForm view={view} execution={execution} run={run} />
  if (tab === 'rounds')
    return view.picked.round === undefined ? (
      <Rounds view={view} execution={execution} />
    ) : (
      <RoundPanel view={view} execution={execution} round={view.picked.round} />
    )
  if (tab === 'tries')
    return <Tries execution={execution} until={execution.startedAt + tookOf(execution, view.moment)} />
  if (tab === 'calls') return <Calls view={view} execution={execution} />
  if (tab === 'source')
    return run && <NodeSource app={run.app.id} version={run.version} node={execution.nodeId} error={execution.error} />
  if (tab === 'detail') return <Detail execution={execution} told={told} />
  if (tab === 'input') return <Input told={told} run={view} />
  const ended = {
    execution,
    choices,
    retry: (version?: number) => retry(execution.nodeId, version),
    edit: () => edit(execution.nodeId),
    over: isServed(run) && isOver(view.latest),
  }
  if (tab === 'conditions')
    return (
      <Suspense fallback={<Skeleton rows={4} />}>
        <Conditions view={view} run={run} told={told} {...ended} />
      </Suspense>
    )
  return <Output told={told} view={view} {...ended} />
}
