import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { get } from '../api/client.ts'
import { useApps } from '../api/queries.ts'
import type { RunPage } from '../api/types.ts'
import { Dialog } from '../parts/Dialog.tsx'
import { Icon, look } from '../parts/Icon.tsx'
import { visible } from '../words/visible.ts'
import { recent, t, type Word } from '../words/words.ts'
import { useWho } from './Shell.tsx'

type Hit = {
  readonly id: string
  readonly icon: string
  readonly text: string
  readonly kind: string
  readonly act: () => void
}
const PAGES: readonly [string, Word, string][] = [
  ['/', 'page.workflows', 'flows'],
  ['/runs', 'page.runs', 'runs'],
  ['/runs?status=paused', 'runs.that_wait', 'paused'],
  ['/runs?status=failed', 'runs.that_failed', 'failed'],
  ['/charts', 'page.charts', 'chart'],
  ['/triggers', 'page.triggers', 'bolt'],
  ['/triggers?state=failed', 'delivery.that_failed', 'failed'],
  ['/chat', 'page.chat', 'chat'],
  ['/knowledge', 'page.knowledge', 'book'],
  ['/system', 'page.system', 'system'],
]

/** A combobox over pages, workflows and runs. The field keeps the focus; arrows choose, Enter goes. */
export function Palette({ close, showKeys }: { close: () => void; showKeys: () => void }) {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const [, go] = useLocation()
  const hits = useHits(text.trim(), path => {
    close()
    go(path)
  })
  if (text.trim() === '' || t('keys.keys').toLowerCase().includes(text.trim().toLowerCase())) {
    hits.push({ id: 'keys', icon: 'key', text: t('keys.keys'), kind: t('hit.action'), act: showKeys })
  }
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const at = Math.min(chosen, hits.length - 1)
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setChosen((at + 1) % hits.length)
    else if (event.key === 'ArrowUp') setChosen((at - 1 + hits.length) % hits.length)
    else if (event.key === 'Enter') hits[at]?.act()
    else return
    event.preventDefault()
  }
  return (
    <Dialog label={t('jump.label')} close={close} className="palette">
      <input
        ref={field}
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls="hits"
        aria-activedescendant={hits[at] ? `hit-${at}` : undefined}
        aria-label={t('jump.field')}
        placeholder={t('jump.hint')}
        value={text}
        onChange={event => {
          setText(event.target.value)
          setChosen(0)
        }}
        onKeyDown={keys}
      />
      <ul id="hits" role="listbox" aria-label={t('jump.hits')}>
        {hits.map((hit, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's
          <li
            key={hit.id}
            id={`hit-${index}`}
            role="option"
            aria-selected={index === at}
            onClick={hit.act}
            tabIndex={-1}
          >
            <Icon name={hit.icon} />
            <span className="grow cut">{hit.text}</span>
            <span className="faint">{hit.kind}</span>
          </li>
        ))}
      </ul>
      {hits.length === 0 && <p className="in dim">{t('jump.none')}</p>}
      <div className="foot">
        <span>
          <kbd>↑</kbd>
          <kbd>↓</kbd> {t('jump.choose')}
        </span>
        <span>
          <kbd>Enter</kbd> {t('jump.go')}
        </span>
        <span>
          <kbd>Esc</kbd> {t('jump.close')}
        </span>
      </div>
    </Dialog>
  )
}

function useHits(text: string, to: (path: string) => void): Hit[] {
  const who = useWho()
  const apps = useApps()
  const runs = useQuery({
    queryKey: ['jump', text],
    queryFn: () => get<RunPage>('runs', { keyword: text, limit: 6 }),
    placeholderData: before => before,
  })
  const has = (name: string) => name.toLowerCase().includes(text.toLowerCase())
  const pages = PAGES.filter(([path, word]) => has(t(word)) && (path !== '/chat' || who.features.chat))
  return [
    ...(apps.data ?? [])
      .filter(app => has(app.name))
      .slice(0, 6)
      .map(app => ({
        id: app.id,
        icon: 'flows',
        text: visible(app.name),
        kind: t('hit.workflow'),
        act: () => to(`/w/${app.id}`),
      })),
    ...(runs.data?.data ?? []).slice(0, 6).map(run => ({
      id: run.id,
      icon: look(run.status),
      text: `${visible(run.app.name)} · ${run.id.slice(-8)}`,
      kind: recent(run.created_at),
      act: () => to(`/runs/${run.id}`),
    })),
    ...pages.map(([path, word, icon]) => ({ id: path, icon, text: t(word), kind: t('hit.page'), act: () => to(path) })),
  ]
}
