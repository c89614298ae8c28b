import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { useApps } from '../../api/queries.ts'
import { useAddress } from '../../app/address.ts'
import { announce } from '../../app/announce.tsx'
import { pressed } from '../../app/keys.ts'
import { useTitle } from '../../app/title.ts'
import { useNow } from '../../app/useNow.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Empty, Failure, Skeleton } from '../../parts/Panel.tsx'
import { clock, count, t, tn, type Word, when } from '../../words/words.ts'
import { type Filter, SPANS, STATUSES, useFilter } from './filter.ts'
import { Histogram } from './Histogram.tsx'
import { RunRow } from './RunRow.tsx'
import { useRuns } from './useRuns.ts'
import '../../../styles/runs.css'

export function RunsPage() {
  useTitle(t('page.runs'))
  const filter = useFilter()
  const [read, change] = useAddress()
  const { query, runs, counts, capped, archivedUntil, live, showNew } = useRuns(filter)
  const panel = useRef<HTMLDivElement>(null)
  const search = useRef<HTMLInputElement>(null)
  const now = useNow(runs.some(run => run.status === 'running'))
  useEffect(() => {
    if (live.fresh > 0) announce(tn('runs.new', live.fresh))
  }, [live.fresh])
  const keys = (event: KeyboardEvent) => {
    const action = pressed('runs', event)
    const links = [...(panel.current?.querySelectorAll<HTMLElement>('[data-row]') ?? [])]
    const at = links.indexOf(document.activeElement as HTMLElement)
    if (action === 'next') links[Math.min(links.length - 1, at + 1)]?.focus()
    else if (action === 'previous') links[Math.max(0, at - 1)]?.focus()
    else if (action === 'first') links[0]?.focus()
    else if (action === 'last') links.at(-1)?.focus()
    else if (action === 'filter') search.current?.focus()
    else if (action === 'new') void showNew()
    else return
    event.preventDefault()
  }
  const total = Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0)
  return (
    <main id="main" className="page runs">
      <div className="head">
        <h1>{t('page.runs')}</h1>
        <AppName />
        <span className="more" />
        <span>
          {live.connected ? (
            <span className="st st-running only-large">
              <Icon name="running" />
              {t('live')}
            </span>
          ) : live.lostAt ? (
            <span className="st st-partial">
              <Icon name="partial" />
              {t('lost', { at: clock(live.lostAt) })}
            </span>
          ) : null}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys of the list act wherever in it the focus is */}
      <div className="panel" ref={panel} onKeyDown={keys}>
        <Filters counts={counts} capped={capped} search={search} />
        <div className="only-large">
          <Histogram
            filter={filter}
            narrow={(from, until) =>
              change({ from: String(Math.floor(from)), until: String(Math.ceil(until)), t: undefined }, true)
            }
          />
        </div>
        {live.fresh > 0 && (
          <button type="button" className="new" onClick={() => void showNew()}>
            {tn('runs.new', live.fresh)} <kbd>n</kbd>
          </button>
        )}
        {query.isPending ? (
          <Skeleton rows={12} />
        ) : query.error && runs.length === 0 ? (
          <Failure error={query.error} again={() => void query.refetch()} />
        ) : runs.length === 0 ? (
          <Empty>
            {t(isNarrow(filter) ? 'runs.none_here' : 'runs.none')}{' '}
            {read('status') || read('q') || read('app') || read('from') ? (
              <button
                type="button"
                className="btn small"
                onClick={() =>
                  change({
                    status: undefined,
                    q: undefined,
                    app: undefined,
                    from: undefined,
                    until: undefined,
                    t: 'all',
                    user: undefined,
                  })
                }
              >
                {t('runs.all')}
              </button>
            ) : null}
          </Empty>
        ) : (
          <table className="cards">
            <thead>
              <tr>
                <th className="c-status">{t('runs.status')}</th>
                <th className="c-workflow">{t('runs.workflow')}</th>
                <th>{t('runs.happened')}</th>
                <th className="c-number right">{t('runs.tokens')}</th>
                <th className="c-user">{t('runs.user')}</th>
                <th className="c-number right">{t('runs.took')}</th>
                <th className="c-started right">{t('runs.started')}</th>
                <th className="c-id">{t('runs.run')}</th>
              </tr>
            </thead>
            <tbody>
              {runs.map(run => (
                <RunRow key={run.id} run={run} now={now} query={location.search} />
              ))}
            </tbody>
          </table>
        )}
        {archivedUntil !== null && <p className="dim">{t('runs.archived', { at: when(archivedUntil) })}</p>}
        <div className="foot">
          <span className="only-large">
            <kbd>j</kbd>
            <kbd>k</kbd> {t('runs.choose')}
          </span>
          <span className="only-large">
            <kbd>Enter</kbd> {t('runs.open')}
          </span>
          <span className="only-large">
            <kbd>/</kbd> {t('keys.filter')}
          </span>
          <span className="more" />
          {query.error && runs.length > 0 ? (
            <span role="alert">{t('stale', { at: clock(query.dataUpdatedAt / 1000) })}</span>
          ) : null}
          <span>
            {t('runs.of', {
              n: count(runs.length),
              all: `${count(read('status') ? shownCount(counts, read('status')) : total)}${capped ? '+' : ''}`,
            })}
          </span>
          {query.hasNextPage && (
            <button
              type="button"
              className="btn small"
              disabled={query.isFetchingNextPage}
              onClick={() => void query.fetchNextPage()}
            >
              {t('runs.older')}
            </button>
          )}
        </div>
      </div>
    </main>
  )
}

const isNarrow = (filter: Filter): boolean => Object.keys(filter).length > 0
const shownCount = (counts: Partial<Record<string, number>>, id: string): number =>
  (STATUSES.find(one => one.id === id)?.status ?? id).split(',').reduce((sum, status) => sum + (counts[status] ?? 0), 0)

function AppName() {
  const [read] = useAddress()
  const apps = useApps()
  const name = apps.data?.find(app => app.id === read('app'))?.name
  return <span className="sub">{name ?? t('runs.every')}</span>
}

function Filters({
  counts,
  capped,
  search,
}: {
  counts: Partial<Record<string, number>>
  capped: boolean
  search: React.RefObject<HTMLInputElement | null>
}) {
  const [read, change] = useAddress()
  const apps = useApps()
  const [text, setText] = useState(read('q'))
  const total = Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0)
  const chosen = read('status')
  useEffect(() => {
    const timer = setTimeout(() => change({ q: text.trim() || undefined }), 300)
    return () => clearTimeout(timer)
  }, [text, change])
  const span = read('from') ? 'chosen' : read('t') || '24h'
  return (
    <div className="filters">
      {/* biome-ignore lint/a11y/useSemanticElements: buttons that go together, no fields of a form */}
      <div className="seg" role="group" aria-label={t('runs.status')}>
        <button type="button" aria-pressed={chosen === ''} onClick={() => change({ status: undefined }, true)}>
          {t('runs.all')}
          <span className="faint num">
            {count(total)}
            {capped && '+'}
          </span>
        </button>
        {STATUSES.map(one => (
          <button
            key={one.id}
            type="button"
            aria-pressed={chosen === one.id}
            onClick={() => change({ status: one.id }, true)}
          >
            <span className={`st st-${one.look}`}>
              <Icon name={one.look} small />
            </span>
            {t(`runs.is.${one.id}` as Word)}
            <span className="faint num">{count(shownCount(counts, one.id))}</span>
          </button>
        ))}
      </div>
      <span className="more only-large" />
      <select
        className="only-large"
        aria-label={t('runs.workflow')}
        value={read('app')}
        onChange={event => change({ app: event.target.value || undefined }, true)}
      >
        <option value="">{t('runs.any')}</option>
        {(apps.data ?? []).map(app => (
          <option key={app.id} value={app.id}>
            {app.name}
          </option>
        ))}
      </select>
      <select
        aria-label={t('runs.time')}
        value={span}
        onChange={event => change({ t: event.target.value, from: undefined, until: undefined }, true)}
      >
        {span === 'chosen' && (
          <option value="chosen">{`${when(Number(read('from')))} – ${when(Number(read('until')))}`}</option>
        )}
        {Object.keys(SPANS).map(id => (
          <option key={id} value={id}>
            {t(`span.${id}` as Word)}
          </option>
        ))}
      </select>
      <div className="search">
        <input
          ref={search}
          type="search"
          placeholder={t('runs.search')}
          aria-label={t('runs.search.label')}
          value={text}
          onChange={event => setText(event.target.value)}
        />
      </div>
    </div>
  )
}
