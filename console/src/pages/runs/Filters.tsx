import { lazy, type RefObject, Suspense, useEffect, useRef, useState } from 'react'
import { useApps } from '../../api/queries.ts'
import { useAddress } from '../../app/address.ts'
import { useTyped } from '../../app/useTyped.ts'
import { AppChooser } from '../../parts/Chooser.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Boundary, PartMissing } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { count, duration, t, type Word, when } from '../../words/words.ts'
import { RARE, SPANS, STATUSES, spanOf } from './filter.ts'

const MoreFilters = lazy(() =>
  import('./MoreFilters.tsx').catch((): never => {
    throw new PartMissing()
  }),
)

/** How many runs there are of what a button of the status bar means. */
export const shownCount = (counts: Partial<Record<string, number>>, id: string): number =>
  (STATUSES.find(one => one.id === id)?.status ?? id).split(',').reduce((sum, status) => sum + (counts[status] ?? 0), 0)

/** What the list can be narrowed by. All of it stands in the address. */
export function Filters({
  counts,
  capped,
  known,
  search,
}: {
  counts: Partial<Record<string, number>>
  capped: boolean
  /** Whether the counts are here. */
  known: boolean
  search: RefObject<HTMLInputElement | null>
}) {
  const [read, change] = useAddress()
  const apps = useApps()
  const [text, setText] = useTyped('q')
  const total = Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0)
  const chosen = read('status')
  const [more, setMore] = useState(false)
  const span = read('from') ? 'chosen' : spanOf(read)
  const bar = useRef<HTMLDivElement>(null)
  // On a narrow screen the bar scrolls: what narrows the list is in sight.
  useEffect(() => {
    if (chosen)
      bar.current?.querySelector('[aria-pressed=true]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [chosen])
  return (
    <div className="filters">
      {/* biome-ignore lint/a11y/useSemanticElements: buttons that go together, no fields of a form */}
      <div className="seg" role="group" aria-label={t('runs.status')} ref={bar}>
        <button type="button" aria-pressed={chosen === ''} onClick={() => change({ status: undefined }, true)}>
          {t('runs.all')}
          <span className="faint num">
            {known ? count(total) : '–'}
            {known && capped && '+'}
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
            <span className="faint num">{known ? count(shownCount(counts, one.id)) : '–'}</span>
          </button>
        ))}
      </div>
      <span className="more only-large" />
      <AppChooser
        className="only-large"
        label={t('runs.workflow')}
        any={t('runs.any')}
        apps={apps.data ?? []}
        value={read('app')}
        set={app => change({ app: app || undefined }, true)}
      />
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
      <button
        type="button"
        className="btn plain icon"
        aria-label={t('filters')}
        title={t('filters')}
        onClick={() => setMore(true)}
      >
        <Icon name="list-operator" />
      </button>
      <Others />
      {more && (
        <Boundary>
          <Suspense>
            <MoreFilters close={() => setMore(false)} />
          </Suspense>
        </Boundary>
      )}
    </div>
  )
}

/** What only links narrow the list by: told, and taken back. */
function Others() {
  const [read, change] = useAddress()
  const words: Readonly<Record<string, () => string>> = {
    user: () => t('runs.only_user', { name: visible(read('user')) }),
    version: () => t('runs.only_version', { name: read('version').slice(-4) }),
    conversation: () => t('runs.only_conversation'),
    error: () => t('runs.only_error', { text: visible(read('error')) }),
    failed_at: () => t('runs.only_failed_at', { name: visible(read('failed_at')) }),
    retry: () => t(read('retry') === 'repeated' ? 'filters.retry.repeated' : 'filters.retry.repeats'),
    model: () => t('runs.only_model', { name: visible(read('model')) }),
    took: () => t('runs.only_took', { time: duration(Number(read('took'))) }),
    tokens: () => t('runs.only_tokens', { n: count(Number(read('tokens'))) }),
    cost: () => t('runs.only_cost', { n: read('cost') }),
  }
  return RARE.filter(name => read(name) !== '').map(name => {
    const word = words[name]?.() ?? ''
    return (
      <button
        key={name}
        type="button"
        className="btn small"
        aria-label={t('runs.not_only', { name: word })}
        onClick={() => change({ [name]: undefined }, true)}
      >
        <bdi className="cut">{word}</bdi>
        <Icon name="close" small />
      </button>
    )
  })
}
