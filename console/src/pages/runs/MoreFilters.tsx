import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { Link } from 'wouter'
import { base, get } from '../../api/client.ts'
import { useVersions } from '../../api/queries.ts'
import type { RunCharts } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useTyped } from '../../app/useTyped.ts'
import { Chooser, type Option } from '../../parts/Chooser.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { visible } from '../../words/visible.ts'
import { count, duration, t } from '../../words/words.ts'
import { useViews } from './views.ts'

/** Seconds, tokens and money that a run took at least, to choose from. */
const LONG = [1, 10, 60, 600, 3600]
const MANY = [1_000, 10_000, 100_000, 1_000_000]
const DEAR = ['0.01', '0.1', '1', '10']

/** What the list is seldom narrowed by, and the filters that were kept. */
export default function MoreFilters({ close }: { close: () => void }) {
  const [read] = useAddress()
  const app = read('app')
  return (
    <Dialog label={t('filters')} close={close} heading={null}>
      <div className="in stack dialogbody">
        {!app && <p className="dim">{t('filters.version.app')}</p>}
        <div className="pairs">
          <Typed name="error" label={t('filters.error')} />
          <Typed name="failed_at" label={t('filters.failed_at')} />
          <Typed name="model" label={t('filters.model')} known={useRanBy('model', app)} />
          <Typed name="user" label={t('runs.user')} known={useRanBy('user', app)} />
          <Chosen
            name="retry"
            label={t('filters.retry')}
            options={[
              ['repeats', t('filters.retry.repeats')],
              ['repeated', t('filters.retry.repeated')],
            ]}
          />
          <Chosen name="took" label={t('filters.took')} options={LONG.map(n => [`${n}`, duration(n)])} />
          <Chosen name="tokens" label={t('filters.tokens')} options={MANY.map(n => [`${n}`, count(n)])} />
          {app && <Version app={app} />}
          <Chosen name="cost" label={t('filters.cost')} options={DEAR.map(n => [n, n])} />
        </div>
        <KeptViews close={close} />
      </div>
    </Dialog>
  )
}

/** The models or users of most runs of the last week. */
function useRanBy(by: 'model' | 'user', app: string): string[] {
  const after = Math.floor(Date.now() / 3_600_000 - 7 * 24) * 3600
  const found = useQuery({
    queryKey: ['charts', by, app, after],
    queryFn: ({ signal }) => get<RunCharts>('runs/charts', { by, app, after }, signal),
  })
  return (found.data?.data ?? []).map(one => one.name).filter(Boolean)
}

function Typed({ name, label, known = [] }: { name: string; label: string; known?: readonly string[] }) {
  const [text, setText] = useTyped(name)
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} type="text" list={`${id}l`} value={text} onChange={event => setText(event.target.value)} />
      <datalist id={`${id}l`}>
        {known.map(one => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </div>
  )
}

function Chosen({ name, label, options }: { name: string; label: string; options: readonly Option[] }) {
  const [read, change] = useAddress()
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <Chooser
        id={id}
        label={label}
        value={read(name)}
        set={value => change({ [name]: value || undefined }, true)}
        options={[['', t('filters.any')], ...options]}
      />
    </div>
  )
}

function Version({ app }: { app: string }) {
  const versions = useVersions(app)
  const options = (versions.data ?? []).map(one => [one.workflow_id, t('version', { n: one.number })] as const)
  return <Chosen name="version" label={t('act.version')} options={options} />
}

function KeptViews({ close }: { close: () => void }) {
  const [views, keep] = useViews()
  const [name, setName] = useState('')
  const id = useId()
  const save = (event: FormEvent) => {
    event.preventDefault()
    if (!name.trim()) return
    keep(name.trim(), window.location.search)
    setName('')
  }
  return (
    <section aria-labelledby={id} className="stack">
      <h3 id={id}>{t('views.title')}</h3>
      {Object.keys(views).length === 0 && <p className="dim">{t('views.none')}</p>}
      <ul className="views">
        {Object.entries(views).map(([kept, search]) => (
          <li key={kept} className="row">
            <Link className="grow cut" dir="auto" href={`/runs${search}`} onClick={close}>
              {visible(kept)}
            </Link>
            <Copy
              text={() => `${location.origin}${base}runs${search}`}
              label={t('views.link', { name: kept })}
              icon="link"
            />
            <button
              type="button"
              className="btn plain icon small"
              aria-label={t('views.delete', { name: kept })}
              onClick={() => keep(kept, undefined)}
            >
              <Icon name="trash" small />
            </button>
          </li>
        ))}
      </ul>
      <form className="row" onSubmit={save}>
        <input
          type="text"
          className="grow"
          aria-label={t('views.name')}
          placeholder={t('views.name')}
          value={name}
          onChange={event => setName(event.target.value)}
        />
        <button type="submit" className="btn" disabled={!name.trim()}>
          {t('views.save')}
        </button>
      </form>
    </section>
  )
}
