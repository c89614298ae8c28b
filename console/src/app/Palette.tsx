import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { get } from '../api/client.ts'
import { useApps } from '../api/queries.ts'
import type { RunPage } from '../api/types.ts'
import { Finder, type Hit } from '../parts/Finder.tsx'
import { look } from '../parts/Icon.tsx'
import { visible } from '../words/visible.ts'
import { recent, t, type Word } from '../words/words.ts'
import { useWho } from './Shell.tsx'

/** Address, name, icon, and other words that people look for it by. */
const PAGES: readonly [string, Word, string, Word?][] = [
  ['/', 'page.workflows', 'flows'],
  ['/runs', 'page.runs', 'runs', 'jump.also.runs'],
  ['/runs?status=paused', 'runs.that_wait', 'paused'],
  ['/runs?status=failed', 'runs.that_failed', 'failed', 'jump.also.failed'],
  ['/charts', 'page.charts', 'chart'],
  ['/triggers', 'page.triggers', 'bolt'],
  ['/triggers?state=failed', 'delivery.that_failed', 'failed'],
  ['/chat', 'page.chat', 'chat'],
  ['/knowledge', 'page.knowledge', 'book'],
  ['/system', 'page.system', 'system', 'jump.also.system'],
]

/** Pages, workflows and runs by their names and ids. */
export function Palette({ close, showKeys }: { close: () => void; showKeys: () => void }) {
  const [text, setText] = useState('')
  const [, go] = useLocation()
  const hits = useHits(text.trim(), path => {
    close()
    go(path)
  })
  if (text.trim() === '' || t('keys.keys').toLowerCase().includes(text.trim().toLowerCase())) {
    hits.push({ id: 'keys', icon: 'key', text: t('keys.keys'), kind: t('hit.action'), act: showKeys })
  }
  return (
    <Finder label={t('jump.label')} field={t('jump.field')} hint={t('jump.hint')} {...{ text, setText, hits, close }} />
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
  const pages = PAGES.filter(
    ([path, word, , also]) => has(`${t(word)}, ${also ? t(also) : ''}`) && (path !== '/chat' || who.features.chat),
  )
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
