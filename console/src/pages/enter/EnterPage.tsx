import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef } from 'react'
import { useLocation, useSearch } from 'wouter'
import { post } from '../../api/client.ts'
import type { Session } from '../../api/types.ts'
import { useTitle } from '../../app/title.ts'
import { Code } from '../../parts/Code.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Logo } from '../../parts/Icon.tsx'
import { useAction } from '../../parts/useAction.ts'
import { Wrong } from '../../parts/Wrong.tsx'
import { t } from '../../words/words.ts'
import '../../../styles/signin.css'

/** Signs in by the ticket behind `#`, which leaves the address at once, or by a token. */
export function EnterPage() {
  useTitle(t('enter.title'))
  const [, go] = useLocation()
  const search = useSearch()
  const cache = useQueryClient()
  const { busy, wrong, act } = useAction()
  const begun = useRef(false)
  const enter = (what: { token: string } | { ticket: string }) =>
    act(async () => {
      await post<Session>('session', what)
      await cache.resetQueries({ queryKey: ['session'] })
      const next = new URLSearchParams(search).get('next') ?? '/'
      go(next.startsWith('/') && !next.startsWith('//') ? next : '/', { replace: true })
    })
  const take = useRef(enter)
  take.current = enter
  useEffect(() => {
    const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket')
    if (!ticket || begun.current) return
    begun.current = true
    history.replaceState(null, '', location.pathname + location.search)
    void take.current({ ticket })
  }, [])
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const token = String(new FormData(event.currentTarget).get('token') ?? '').trim()
    if (token) void enter({ token })
  }
  return (
    <div className="signin">
      <main id="main" className="card">
        <div className="mark">
          <Logo />
          Jikko <small>{location.host}</small>
        </div>
        <section className="panel">
          <div className="in stack">
            <div>
              <h1>{t('enter.title')}</h1>
              <p className="dim">{t('enter.link')}</p>
            </div>
            <div className="cmd">
              <code className="grow">jikko console</code>
              <Copy text="jikko console" label={t('copy')} />
            </div>
            <div className="or">{t('enter.or')}</div>
            <form className="stack" onSubmit={submit}>
              <div className="field">
                <label htmlFor="token">{t('enter.token')}</label>
                <input
                  type="password"
                  id="token"
                  name="token"
                  className="mono"
                  autoComplete="current-password"
                  placeholder="jko_…"
                  aria-invalid={wrong !== ''}
                  aria-describedby={wrong ? 'wrong' : undefined}
                />
                <Wrong id="wrong" text={wrong} />
              </div>
              <button type="submit" className="btn main" disabled={busy}>
                {t('enter.title')}
              </button>
            </form>
          </div>
        </section>
        <p className="faint below">
          <Code text={t('enter.keys')} />
        </p>
      </main>
    </div>
  )
}
