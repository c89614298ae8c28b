import { useState } from 'react'
import { Link } from 'wouter'
import { isShared, post, remove, request } from '../../api/client.ts'
import type { RetryChoice, RunDetail } from '../../api/types.ts'
import { useMay, useWho } from '../../app/Shell.tsx'
import { Confirm } from '../../parts/Dialog.tsx'
import { AppIcon, Icon, Pill, Status } from '../../parts/Icon.tsx'
import { keep } from '../../parts/keep.ts'
import { type Entry, Menu } from '../../parts/Menu.tsx'
import { elapsedOf, isOver, shown } from '../../run/selectors.ts'
import { visible } from '../../words/visible.ts'
import { clock, cost, count, duration, listed, moment, t, tn, whyNoCost } from '../../words/words.ts'
import { isServed } from './again.ts'
import { detailsOf, otherChoices, proposed, summaryOf } from './retrying.ts'
import type { RunView } from './useRunView.ts'

type Props = {
  view: RunView
  run: RunDetail
  choices: readonly RetryChoice[]
  again: () => void
  retry: (node?: string, version?: number) => void
  /** With another run; by default with the last one that succeeded. */
  compare: (other?: string) => void
  /** Show how a program makes such a run. */
  call: () => void
  /** Show the links that share it. */
  share: () => void
  /** Import a file that has been changed. */
  publish: () => void
  to: (path: string, how?: { replace: boolean }) => void
  fail: (error: unknown) => void
}

export function RunHead({ view, run, choices, again, retry, compare, call, share, publish, to, fail }: Props) {
  const may = useMay()
  const served = isServed(run)
  const mayRepeat = may && served
  const { shares } = useWho().features
  const [asking, setAsking] = useState(false)
  const state = view.run
  const ended = run.finished_at !== undefined && run.finished_at !== null
  // Until the log is here, for a run that has ended all of it, the row tells how it stands.
  const known = view.follow.head >= 0 && !(ended && view.atEnd && !isOver(view.latest))
  const status = known ? shown(state.status) : run.status
  const elapsed = known ? elapsedOf(state, view.moment) : run.elapsed
  const nodes = state.executions.filter(one => one.status !== 'running').length
  const over = known ? isOver(view.latest) : ended
  const failed = (known ? view.latest.status : run.status) === 'failed'
  const [tokens, price] = known ? [state.tokens, state.price] : [run.tokens, run.price ?? 0]
  const paid = cost(tokens, price, known && state.executions.some(one => one.tokens > 0 && !one.price))
  const facts: [string, string, string?][] = [
    [t('run.elapsed'), duration(elapsed)],
    [t('run.nodes'), known ? count(nodes) : '–'],
    [t('run.tokens'), count(tokens)],
    [t('run.cost'), paid, whyNoCost(paid)],
    [t('run.started'), clock(run.created_at), moment(run.created_at)],
    [t('run.by'), visible(run.user)],
  ]
  const act = (what: Promise<unknown>) => void what.catch(fail)
  const save = (path: string, name?: string) => act(request('GET', path).then(answer => keep(answer, name)))
  const first = proposed(choices)
  const related = run.lineage?.retry_of ?? run.lineage?.retries.at(-1)
  const entries: Entry[] = [
    ...(mayRepeat && over && failed
      ? otherChoices(choices).map(one => ({
          label: one.label,
          icon: 'again',
          act: () => retry(undefined, one.version),
        }))
      : []),
    ...(mayRepeat && over ? [{ label: t('run.again'), icon: 'again', act: again }] : []),
    ...(mayRepeat ? [{ label: t('run.edit'), icon: 'edit', act: () => to(`/w/${run.app.id}?from=${run.id}`) }] : []),
    ...(over && served
      ? [{ label: t(related ? 'compare.related' : 'compare.success'), icon: 'diff', act: () => compare(related) }]
      : []),
    ...(served ? [{ label: t('run.workflow'), icon: 'flows', act: () => to(`/w/${run.app.id}`) }] : []),
    ...(mayRepeat ? [{ label: t('call.title'), icon: 'key', act: call }] : []),
    ...(may && shares ? [{ label: t('share.title'), icon: 'link', act: share }] : []),
    ...(over && served ? [{ label: t('run.test'), icon: 'check', act: () => save(`runs/${run.id}/test`) }] : []),
    ...(may && over
      ? [
          {
            label: t('act.export.title'),
            icon: 'download',
            act: () => save(`runs/${run.id}`, `run-${run.id}.json`),
          },
        ]
      : []),
    ...(mayRepeat ? [{ label: t('source.file'), icon: 'download', act: () => save(sourceOf(run)) }] : []),
    ...(mayRepeat ? [{ label: t('import'), icon: 'upload', act: publish }] : []),
    { label: t('run.same_user'), icon: 'runs', act: () => to(`/runs?user=${encodeURIComponent(run.user)}`) },
    ...(may && over ? [{ label: t('run.delete'), icon: 'trash', bad: true, act: () => setAsking(true) }] : []),
  ]
  return (
    <div className="runhead">
      {!isShared() && (
        <Link className="btn plain icon" href={`/runs${listSearch()}`} aria-label={t('run.all')}>
          <Icon name="back" />
        </Link>
      )}
      <AppIcon icon={run.app.icon} />
      <div className="grow">
        <h1 className="cut" dir="auto">
          {isShared() || !served ? (
            visible(run.app.name)
          ) : (
            <Link href={`/w/${run.app.id}`}>{visible(run.app.name)}</Link>
          )}
        </h1>
        <div className="row faint cut small">
          <span className="only-small">
            <Status status={status} /> <span className="dim num">{duration(elapsed)}</span>
          </span>
          <span className="mono cut only-large">{run.id}</span>
          {run.version > 0 && <span className="only-large cut">· {t('version', { n: run.version })}</span>}
          <Lineage run={run} view={view} />
          {over && served && related && (
            <span className="only-large">
              {'· '}
              <button type="button" className="link" onClick={() => compare(related)}>
                {t('compare')}
              </button>
            </span>
          )}
        </div>
      </div>
      <span className="only-large">
        <Pill status={status} />
      </span>
      <dl className="only-large row facts2">
        {facts.map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd className="cut">{value}</dd>
          </div>
        ))}
      </dl>
      <div className="row">
        {may && !over && (
          <button type="button" className="btn" onClick={() => act(post(`runs/${run.id}/stop`))}>
            <Icon name="stop" />
            {t('run.stop')}
          </button>
        )}
        {mayRepeat && over && !failed && (
          <button type="button" className="btn" onClick={again}>
            <Icon name="again" />
            {t('run.again')}
          </button>
        )}
        {mayRepeat && over && failed && (
          <>
            <button type="button" className="btn only-large" onClick={again}>
              <Icon name="again" />
              {t('run.again')}
            </button>
            <button
              type="button"
              className="btn main"
              title={first && !first.why_not ? detailsOf(first, choices) : undefined}
              onClick={() => retry()}
            >
              <Icon name="again" />
              <span className="lines">
                {t('retry.failed')}
                {first && !first.why_not && <Summary parts={summaryOf(first, choices)} />}
              </span>
            </button>
          </>
        )}
        {!isShared() && <Menu label={t('more')} entries={entries} />}
      </div>
      {asking && (
        <Confirm
          label={t('run.delete')}
          text={t('run.delete.text')}
          action={t('delete')}
          close={() => setAsking(false)}
          act={() => act(remove(`runs/${run.id}`).then(() => to(`/runs${listSearch()}`, { replace: true })))}
        />
      )}
    </div>
  )
}

/** The file of the version that ran. */
const sourceOf = (run: RunDetail) => `apps/${run.app.id}/versions/${run.version}/source`

/** On a narrow screen, what is taken over gives way to the version. */
const Summary = ({ parts: [version, taken] }: { parts: [string, string] }) => (
  <small>
    {version}
    <span className={version ? 'only-large' : ''}>{version ? ` · ${taken}` : taken}</span>
  </small>
)

function Lineage({ run, view }: { run: RunDetail; view: RunView }) {
  const from = run.lineage?.retry_of
  const retries = run.lineage?.retries ?? []
  const given = [...Object.keys(run.lineage?.replaced ?? {}), ...(run.lineage?.mocked ?? [])]
  return (
    <>
      {from && (
        <Link className="only-large" href={`/runs/${from}`}>
          · {t('run.retries', { id: from.slice(-4) })}
        </Link>
      )}
      {!from && run.retry_of && (
        <span className="only-large">
          · {t('run.retries', { id: run.retry_of.slice(-4) })} ({t('run.deleted')})
        </span>
      )}
      {given.length > 0 && (
        <span className="only-large">
          · {t('retry.given.run', { nodes: listed(given.map(node => titleOf(view, node))) })}
        </span>
      )}
      {retries.length > 0 && (
        <Link className="only-large" href={`/runs/${retries.at(-1)}`}>
          · {tn('run.retried', retries.length, { id: retries.at(-1)?.slice(-4) ?? '' })}
        </Link>
      )}
    </>
  )
}

/** What a node is called, as far as it has run. */
export const titleOf = (view: RunView, node: string): string =>
  visible(view.run.executions.findLast(one => one.nodeId === node)?.title || node)

/** The filter of the list that this page was opened from, without what is this page's own. */
export function listSearch(): string {
  const params = new URLSearchParams(location.search)
  for (const name of ['node', 'round', 'tab', 'view', 'at', 'failed', 'compare', 'call', 'share', 'edit'])
    params.delete(name)
  const text = params.toString()
  return text ? `?${text}` : ''
}
