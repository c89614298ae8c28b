import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { Link } from 'wouter'
import { base } from '../../api/client.ts'
import { useVersions } from '../../api/queries.ts'
import { useAddress } from '../../app/address.ts'
import { useTyped } from '../../app/useTyped.ts'
import { Copy } from '../../parts/copy.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { visible } from '../../words/visible.ts'
import { duration, t } from '../../words/words.ts'
import { useViews } from './views.ts'

/** Seconds that a run took at least, to choose from. */
const LONG = [1, 10, 60, 600, 3600]

/** What the list is seldom narrowed by, and the filters that were kept. */
export default function MoreFilters({ close }: { close: () => void }) {
  const [read, change] = useAddress()
  const [user, setUser] = useTyped('user')
  return (
    <Dialog label={t('filters')} close={close} heading={null}>
      <div className="in stack dialogbody">
        {read('app') ? <Version app={read('app')} /> : <p className="dim">{t('filters.version.app')}</p>}
        <Labelled label={t('filters.took')}>
          {id => (
            <select
              id={id}
              value={read('took')}
              onChange={event => change({ took: event.target.value || undefined }, true)}
            >
              <option value="">{t('filters.any')}</option>
              {LONG.map(seconds => (
                <option key={seconds} value={seconds}>
                  {duration(seconds)}
                </option>
              ))}
            </select>
          )}
        </Labelled>
        <Labelled label={t('runs.user')}>
          {id => <input id={id} type="text" value={user} onChange={event => setUser(event.target.value)} />}
        </Labelled>
        <KeptViews close={close} />
      </div>
    </Dialog>
  )
}

function Labelled({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  )
}

function Version({ app }: { app: string }) {
  const [read, change] = useAddress()
  const versions = useVersions(app)
  return (
    <Labelled label={t('act.version')}>
      {id => (
        <select
          id={id}
          value={read('version')}
          onChange={event => change({ version: event.target.value || undefined }, true)}
        >
          <option value="">{t('filters.any')}</option>
          {(versions.data ?? []).map(one => (
            <option key={one.workflow_id} value={one.workflow_id}>
              {t('version', { n: one.number })}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  )
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
