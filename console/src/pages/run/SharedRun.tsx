import { useEffect, useMemo, useState } from 'react'
import { ApiError, post, showShared } from '../../api/client.ts'
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

/** One run, by a link: its key stands behind `#`, leaves the address at once, and becomes a cookie of this run. */
export default function SharedRun({ id }: { id: string }) {
  const [key] = useState(() => new URLSearchParams(location.hash.slice(1)).get('key') ?? '')
  const [isOpen, open] = useState(key === '')
  const [error, setError] = useState<unknown>()
  const [attempt, again] = useState(0)
  useMemo(() => showShared(id), [id])
  useEffect(() => () => showShared(''), [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt is one more request
  useEffect(() => {
    if (!key) return
    history.replaceState(null, '', location.pathname + location.search)
    setError(undefined)
    void post(`runs/${id}`, { key }).then(() => open(true), setError)
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
      ) : error instanceof ApiError && error.status === 404 ? (
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
