import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { useApps } from '../../api/queries.ts'
import { useAddress } from '../../app/address.ts'
import { announce } from '../../app/announce.tsx'
import { pressed } from '../../app/keys.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { useNow } from '../../app/useNow.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Empty, Failure, More, Skeleton } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { clock, count, t, tn, when } from '../../words/words.ts'
import { Filters, shownCount } from './Filters.tsx'
import { EVERYTHING, type Filter, useFilter } from './filter.ts'
import { Histogram } from './Histogram.tsx'
import { RunRow } from './RunRow.tsx'
import { type Chosen, Selection } from './Selection.tsx'
import { rowsIn, useListFocus } from './useListFocus.ts'
import { useRuns } from './useRuns.ts'
import '../../../styles/runs.css'

export function RunsPage() {
  useTitle(t('page.runs'))
  const filter = useFilter()
  const [read, change] = useAddress()
  const { query, runs, counts, capped, counted, archivedUntil, live, showNew } = useRuns(filter)
  const may = useMay()
  const said = JSON.stringify(filter)
  const [{ of, chosen }, setChosen] = useState<{ of: string; chosen: Chosen }>({ of: said, chosen: new Set() })
  // What was chosen in another list is not chosen in this one.
  const here: Chosen = of === said ? chosen : new Set()
  const choose = (what: Chosen) => setChosen({ of: said, chosen: what })
  const toggle = (id: string) => {
    const next = new Set(here === 'all' ? runs.map(run => run.id) : here)
    if (!next.delete(id)) next.add(id)
    choose(next)
  }
  const isOn = (id: string) => here === 'all' || here.has(id)
  const panel = useRef<HTMLDivElement>(null)
  const search = useRef<HTMLInputElement>(null)
  const now = useNow(runs.some(run => run.status === 'running'))
  const follows = read('follow') === '1'
  useEffect(() => {
    if (live.fresh > 0) announce(tn('runs.new', live.fresh))
    if (live.fresh > 0 && follows) void showNew(true).catch(() => undefined)
  }, [live.fresh, follows, showNew])
  const isThere = query.data !== undefined
  const hasNew = live.fresh > 0 && !follows
  const focus = useListFocus(panel)
  // Its keys act where the focus is: here, unless something else has it.
  useEffect(() => {
    if (isThere && document.activeElement === document.body) panel.current?.focus({ preventScroll: true })
  }, [isThere])
  const keys = (event: KeyboardEvent) => {
    const action = pressed('runs', event)
    const links = rowsIn(panel)
    const at = links.indexOf(document.activeElement as HTMLElement)
    if (action === 'next') links[Math.min(links.length - 1, at + 1)]?.focus()
    else if (action === 'previous') links[Math.max(0, at - 1)]?.focus()
    else if (action === 'first') links[0]?.focus()
    else if (action === 'last') links.at(-1)?.focus()
    else if (action === 'filter') search.current?.focus()
    else if (action === 'new') void showNew()
    else if (action === 'choose' && may && at >= 0) toggle(links[at]?.dataset.row ?? '')
    else return
    event.preventDefault()
  }
  const total = Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0)
  const matching = read('status') ? shownCount(counts, read('status')) : total
  const more = capped ? '+' : ''
  // What was counted may be older than what is listed.
  const all = `${count(Math.max(matching, runs.length))}${more}`
  return (
    <main id="main" className="page runs">
      <div className="head">
        <h1>{t('page.runs')}</h1>
        <AppName />
        <span className="more" />
        <button
          type="button"
          className="btn"
          aria-pressed={follows}
          onClick={() => change({ follow: follows ? undefined : '1' })}
        >
          {t('runs.follow')}
        </button>
        <Link className="btn" href={`/charts${read('app') ? `?app=${read('app')}` : ''}`}>
          <Icon name="chart" />
          {t('page.charts')}
        </Link>
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
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys of the list act wherever in it the focus is */}
      <div className="panel" ref={panel} tabIndex={-1} onKeyDown={keys} onFocus={focus}>
        <Filters counts={counts} capped={capped} known={counted} search={search} />
        {/* It counts without the text that is searched. */}
        {!filter.keyword && (
          <div className="only-large">
            <Histogram
              filter={filter}
              narrow={(from, until) =>
                change({ from: String(Math.floor(from)), until: String(Math.ceil(until)), t: undefined }, true)
              }
            />
          </div>
        )}
        {hasNew && (
          <button type="button" className="new" onClick={() => void showNew()}>
            {tn('runs.new', live.fresh)} <kbd>n</kbd>
          </button>
        )}
        <Selection
          runs={runs}
          chosen={here}
          choose={choose}
          filter={filter}
          total={`${count(matching)}${more}`}
          more={query.hasNextPage}
          after={() => void showNew()}
        />
        {query.isPending ? (
          <Skeleton rows={12} />
        ) : query.error && runs.length === 0 ? (
          <Failure error={query.error} again={() => void query.refetch()} />
        ) : runs.length === 0 ? (
          <Empty>
            {t(isNarrow(filter) ? (isChosen(filter) ? 'runs.none_here' : 'runs.none_span') : 'runs.none')}{' '}
            {filter.keyword && !filter.error && (
              <button type="button" className="btn small" onClick={() => change({ q: undefined, error: read('q') })}>
                {t('runs.in_errors')}
              </button>
            )}{' '}
            {isNarrow(filter) ? (
              <button type="button" className="btn small" onClick={() => change(EVERYTHING)}>
                {t(isChosen(filter) ? 'runs.all' : 'runs.any_time')}
              </button>
            ) : null}
          </Empty>
        ) : (
          <table className="cards">
            <thead>
              <tr>
                <th className="c-status">
                  {may && (
                    <input
                      type="checkbox"
                      aria-label={t('act.choose_shown', { n: count(runs.length) })}
                      checked={runs.every(run => isOn(run.id))}
                      onChange={event => choose(new Set(event.target.checked ? runs.map(run => run.id) : []))}
                    />
                  )}
                  {t('runs.status')}
                </th>
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
                <RunRow
                  key={run.id}
                  run={run}
                  now={now}
                  query={location.search}
                  on={isOn(run.id)}
                  choose={may ? toggle : undefined}
                />
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
            <kbd>Enter</kbd> {t('runs.open_it')}
          </span>
          <span className="only-large">
            <kbd>/</kbd> {t('keys.filter').toLowerCase()}
          </span>
          <span className="more" />
          {query.error && runs.length > 0 ? (
            <span role="alert">{t('stale', { at: clock(query.dataUpdatedAt / 1000) })}</span>
          ) : null}
          <span hidden={query.data === undefined}>
            {t('runs.of', {
              n: count(runs.length),
              all,
            })}
          </span>
          <More of={query}>{t('runs.older')}</More>
        </div>
      </div>
    </main>
  )
}

const isNarrow = (filter: Filter): boolean => Object.keys(filter).length > 0
/** Whether more than a stretch of time was chosen. */
const isChosen = ({ after: _after, before: _before, ...rest }: Filter): boolean => Object.keys(rest).length > 0
function AppName() {
  const [read] = useAddress()
  const apps = useApps()
  const name = apps.data?.find(app => app.id === read('app'))?.name
  return <span className="sub">{name === undefined ? t('runs.every') : visible(name)}</span>
}
