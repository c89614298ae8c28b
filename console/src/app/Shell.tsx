import { useQueryClient } from '@tanstack/react-query'
import { createContext, type MouseEvent, type ReactNode, useContext, useEffect, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { ApiError, remove } from '../api/client.ts'
import { useOverview } from '../api/queries.ts'
import type { Session } from '../api/types.ts'
import { Dialog } from '../parts/Dialog.tsx'
import { Icon, Logo } from '../parts/Icon.tsx'
import { clock, language, setLanguage, t, tn, type Word } from '../words/words.ts'
import { Announcer } from './announce.tsx'
import { KEYS, keyName, pressed, type Scope } from './keys.ts'
import { Palette } from './Palette.tsx'
import { clearTab } from './storage.ts'
import { setTheme, theme } from './theme.ts'

export const Current = createContext<Session | null>(null)
/** Who looks at the page. */
export const useWho = (): Session => useContext(Current) as Session
export const useMay = (): boolean => useWho().role === 'operator'

const PAGES: readonly { id: string; to: string; word: Word; icon: string }[] = [
  { id: 'workflows', to: '/', word: 'page.workflows', icon: 'flows' },
  { id: 'runs', to: '/runs', word: 'page.runs', icon: 'runs' },
  { id: 'triggers', to: '/triggers', word: 'page.triggers', icon: 'bolt' },
  { id: 'chat', to: '/chat', word: 'page.chat', icon: 'chat' },
  { id: 'knowledge', to: '/knowledge', word: 'page.knowledge', icon: 'book' },
  { id: 'system', to: '/system', word: 'page.system', icon: 'system' },
]

const pageOf = (path: string): string =>
  path === '/' || path.startsWith('/w/')
    ? 'workflows'
    : path === '/charts'
      ? 'runs'
      : (PAGES.find(page => path.startsWith(page.to) && page.to !== '/')?.id ?? '')

export function Shell({ session, children }: { session: Session; children: ReactNode }) {
  const [path] = useLocation()
  const [dialog, setDialog] = useState<'' | 'jump' | 'keys'>('')
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      const action = pressed('everywhere', event)
      if (action !== 'jump' && action !== 'keys') return
      event.preventDefault()
      setDialog(open => open || action)
    }
    document.addEventListener('keydown', keys)
    return () => document.removeEventListener('keydown', keys)
  }, [])
  const here = pageOf(path)
  return (
    <Current.Provider value={session}>
      <a className="skip" href="#main">
        {t('skip')}
      </a>
      <header className="bar">
        <Link className="brand" href="/">
          <Logo />
          Jikko
        </Link>
        <nav aria-label={t('pages')}>
          {PAGES.filter(page => page.id !== 'chat' || session.features.chat).map(page => (
            <Link key={page.id} href={page.to} aria-current={page.id === here ? 'page' : undefined}>
              <Icon name={page.icon} />
              {t(page.word)}
              {page.id === 'runs' && <Waiting />}
            </Link>
          ))}
        </nav>
        <span className="more only-large" />
        <button
          type="button"
          className="jump"
          aria-label={`${t('jump')} ${keyName('Mod+k')}`}
          onClick={() => setDialog('jump')}
        >
          <Icon name="search" small />
          <span>{t('jump')}</span>
          <kbd>{keyName('Mod+k')}</kbd>
        </button>
        <ThemeButton />
        <Who session={session} />
      </header>
      {!path.startsWith('/runs') && <Lost />}
      {children}
      <Announcer />
      {dialog === 'jump' && <Palette close={() => setDialog('')} showKeys={() => setDialog('keys')} />}
      {dialog === 'keys' && <Keys close={() => setDialog('')} />}
    </Current.Provider>
  )
}

/** Since when the server has not answered. Pages that listen to a stream say so themselves, and sooner. */
export function Lost() {
  const { failureReason, dataUpdatedAt } = useOverview()
  const isLost = failureReason instanceof ApiError && failureReason.status === 0
  if (!isLost) return null
  return (
    <div className="strip st-partial lost" role="status">
      <Icon name="partial" />
      <span className="grow">
        <b>{t('lost', { at: clock((dataUpdatedAt || Date.now()) / 1000) })}</b>. {t('lost.text')}
      </span>
    </div>
  )
}

/** How many runs wait for somebody. A click on it leads to these, one beside it to all. */
function Waiting() {
  const { data } = useOverview()
  const [, go] = useLocation()
  if (!data?.paused) return null
  const toThese = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return
    event.preventDefault()
    event.stopPropagation()
    go('/runs?status=paused')
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions lint/a11y/useKeyWithClickEvents: a short cut within a link
    <span className="badge paused" title={tn('waiting', data.paused)} onClick={toThese}>
      <span className="sr">{t('waiting.label')} </span>
      {data.paused}
    </span>
  )
}

export function ThemeButton() {
  const [now, setNow] = useState(theme)
  return (
    <button
      type="button"
      className="btn plain icon"
      aria-label={t('theme')}
      onClick={() => {
        const other = now === 'dark' ? 'light' : 'dark'
        setTheme(other)
        setNow(other)
      }}
    >
      <Icon name={now === 'dark' ? 'moon' : 'sun'} />
    </button>
  )
}

export function LanguageButton() {
  const other = language() === 'en' ? 'ja' : 'en'
  return (
    <button
      type="button"
      className="btn plain small"
      lang={other}
      onClick={() => setLanguage(other)}
      title={t('language')}
    >
      {other === 'ja' ? '日本語' : 'English'}
    </button>
  )
}

function Who({ session }: { session: Session }) {
  const cache = useQueryClient()
  const leave = async () => {
    await remove('session').catch(() => undefined)
    clearTab('jikko.draft.')
    await cache.invalidateQueries({ queryKey: ['session'] })
  }
  return (
    <div className="who">
      <LanguageButton />
      <span className="tag only-large" title={t('signed_in', { name: session.name })}>
        {t(`role.${session.role}`)}
      </span>
      <button
        type="button"
        className="btn plain icon"
        aria-label={t('sign_out')}
        title={t('sign_out')}
        onClick={() => void leave()}
      >
        <Icon name="out" />
      </button>
    </div>
  )
}

const SCOPES: readonly [Scope, Word][] = [
  ['everywhere', 'keys.everywhere'],
  ['runs', 'page.runs'],
  ['steps', 'steps'],
  ['run', 'keys.run'],
]

function Keys({ close }: { close: () => void }) {
  return (
    <Dialog label={t('keys.title')} close={close} heading={null} className="wide">
      <div className="keys" tabIndex={0}>
        {SCOPES.map(([scope, word]) => (
          <section key={scope} aria-label={t(word)}>
            <h3 className="label small">{t(word)}</h3>
            {KEYS.filter(binding => binding.scope === scope).map(binding => (
              <div key={binding.action}>
                <span className="dim">{t(binding.word)}</span>
                <span>
                  {binding.keys.map(key => (
                    <kbd key={key}>{keyName(key)}</kbd>
                  ))}
                </span>
              </div>
            ))}
          </section>
        ))}
      </div>
    </Dialog>
  )
}
