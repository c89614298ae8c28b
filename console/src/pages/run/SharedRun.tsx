import { useEffect, useLayoutEffect, useMemo, useState } from 'react'
import { isGone, post, showShared } from '../../api/client.ts'
import { useRun } from '../../api/queries.ts'
import type { Session } from '../../api/types.ts'
import { Announcer } from '../../app/announce.tsx'
import { Current, LanguageButton, ThemeButton } from '../../app/Shell.tsx'
import { Logo } from '../../parts/Icon.tsx'
import { Failure, Skeleton } from '../../parts/Panel.tsx'
import { t, when } from '../../words/words.ts'
import RunPage, { ShareOver } from './RunPage.tsx'

const VISITOR: Session = {
  role: 'viewer',
  name: '',
  scopes: ['runs:read'],
  expires_at: 0,
  server: { version: '', now: 0, public_url: '' },
  features: { chat: false, shares: false },
}

const keyHere = (): string => new URLSearchParams(location.hash.slice(1)).get('key') ?? ''

/** One run, by a link: its key stands behind `#`, and becomes a cookie of this run. It leaves the address once it is
 * no longer needed: after other failures a reload tries again. */
export default function SharedRun({ id }: { id: string }) {
  const [key, setKey] = useState(keyHere)
  const [isOpen, open] = useState(key === '')
  const [error, setError] = useState<unknown>()
  const [attempt, again] = useState(0)
  useMemo(() => showShared(id), [id])
  // Another language mounts the page anew: what it was is taken back before, and what it is said before any request.
  useLayoutEffect(() => {
    showShared(id)
    return () => showShared('')
  }, [id])
  useEffect(() => {
    const follow = () => {
      const found = keyHere()
      if (!found) return
      open(false)
      setKey(found)
      again(attempt => attempt + 1)
    }
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt is one more request
  useEffect(() => {
    if (!key) return
    let isCurrent = true
    const done = () => keyHere() === key && history.replaceState(null, '', location.pathname + location.search)
    setError(undefined)
    void post(`runs/${id}`, { key }).then(
      () => {
        if (!isCurrent) return
        done()
        open(true)
      },
      reason => {
        if (!isCurrent) return
        if (isGone(reason)) done()
        setError(reason)
      },
    )
    return () => {
      isCurrent = false
    }
  }, [id, key, attempt])
  return (
    <Current.Provider value={VISITOR}>
      <a className="skip" href="#main">
        {t('skip')}
      </a>
      <header className="bar">
        <span className="brand">
          <Logo />
          Jikko
        </span>
        {isOpen && <Until id={id} />}
        <span className="more" />
        <LanguageButton />
        <ThemeButton />
      </header>
      {isOpen ? (
        <RunPage id={id} />
      ) : isGone(error) ? (
        <ShareOver />
      ) : (
        <main id="main" className="page">
          {error ? <Failure error={error} again={() => again(attempt + 1)} /> : <Skeleton rows={8} />}
        </main>
      )}
      <Announcer />
    </Current.Provider>
  )
}

function Until({ id }: { id: string }) {
  const { data } = useRun(id)
  return data?.expires_at ? (
    <span className="dim cut">{`${t('share.title')} · ${t('strip.until', { at: when(data.expires_at) })}`}</span>
  ) : null
}
