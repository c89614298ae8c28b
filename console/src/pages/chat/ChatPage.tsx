import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
import { Redirect, useLocation } from 'wouter'
import { remove } from '../../api/client.ts'
import { useApp, useApps } from '../../api/queries.ts'
import type { App } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Confirm, Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Menu } from '../../parts/Menu.tsx'
import { Boundary, Empty, errorText, Failure, Skeleton } from '../../parts/Panel.tsx'
import { t } from '../../words/words.ts'
import { Behind } from './Behind.tsx'
import { Conversations, of, useListed, useNews } from './Conversations.tsx'
import { Talk } from './Talk.tsx'
import '../../../styles/chat.css'
import { visible } from '../../words/visible.ts'

const CHATS = ['advanced-chat', 'chat', 'agent-chat']

export default function ChatPage({ app, conversation }: { app: string; conversation: string }) {
  const [read] = useAddress()
  const user = read('user')
  const apps = useApps()
  const chats = (apps.data ?? []).filter(one => CHATS.includes(one.mode))
  useTitle(chats.find(one => one.id === app)?.name ?? t('page.chat'))
  if (!apps.data)
    return (
      <main id="main" className="page">
        {apps.error ? <Failure error={apps.error} again={() => void apps.refetch()} /> : <Skeleton rows={8} />}
      </main>
    )
  const first = chats[0]
  if (!first) {
    return (
      <main id="main" className="page">
        <h1>{t('page.chat')}</h1>
        <Empty>{t('chat.no_apps')}</Empty>
      </main>
    )
  }
  if (!chats.some(one => one.id === app)) return <Redirect to={`/chat/${first.id}${of(user)}`} replace />
  return <Chat key={app} apps={chats} id={app} conversation={conversation} />
}

function Chat({ apps, id, conversation }: { apps: readonly App[]; id: string; conversation: string }) {
  const app = useApp(id)
  const may = useMay()
  const cache = useQueryClient()
  const [, to] = useLocation()
  // The run that is shown beside belongs to a conversation.
  const [shown, setShown] = useState({ conversation: '', run: '' })
  const run = shown.conversation === conversation ? shown.run : ''
  const setRun = useCallback((run: string) => setShown({ conversation, run }), [conversation])
  // A conversation that begins here stays the same talk: what is written meanwhile is not lost, and nothing jumps.
  const talk = useRef({ of: conversation, n: 0 })
  if (talk.current.of !== conversation) talk.current = { of: conversation, n: talk.current.n + 1 }
  const began = (begun: string, run: string) => {
    // Another one was opened before the server answered.
    if (talk.current.of !== conversation) return
    talk.current.of = begun
    setShown({ conversation: begun, run })
    if (begun !== conversation) to(`/chat/${id}/${begun}`)
  }
  const [looking, setLooking] = useState(false)
  const look = (run: string) => {
    setRun(run)
    setLooking(window.matchMedia('(max-width: 1100px)').matches)
  }
  const [asking, setAsking] = useState(false)
  const [listed, setListed] = useState(false)
  const [error, setError] = useState('')
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was asked about one conversation is not asked of another
  useEffect(() => {
    setAsking(false)
    setError('')
  }, [conversation])
  const [read] = useAddress()
  const user = read('user')
  const entry = useListed(id, user, conversation)
  useNews(conversation, entry)
  const forget = async () => {
    try {
      await remove(`conversations/${conversation}`)
      cache.removeQueries({ queryKey: ['messages', conversation] })
      await cache.invalidateQueries({ queryKey: ['conversations', id] })
      to(`/chat/${id}${of(user)}`)
    } catch (failure) {
      setError(errorText(failure))
    }
  }
  const list = (
    <Conversations
      apps={apps}
      id={id}
      user={user}
      conversation={conversation}
      to={path => {
        setListed(false)
        to(path)
      }}
    />
  )
  return (
    <main id="main" className="chatpage">
      <aside className="list" aria-label={t('chat.conversations')}>
        {list}
      </aside>
      <section className="talk" aria-label={t('chat.conversation')}>
        <div className="top">
          <button
            type="button"
            className="btn plain icon only-small"
            aria-label={t('chat.conversations')}
            onClick={() => setListed(true)}
          >
            <Icon name="runs" />
          </button>
          <h1 className="cut grow" dir="auto">
            {visible(entry?.name || (app.data?.name ?? ''))}
          </h1>
          {app.data && <span className="tag only-large">{t('version', { n: app.data.version.number })}</span>}
          <Menu
            label={t('more')}
            entries={[
              { label: t('run.workflow'), icon: 'flows', act: () => to(`/w/${id}`) },
              ...(may && conversation
                ? [{ label: t('chat.delete'), icon: 'trash', bad: true, act: () => setAsking(true) }]
                : []),
            ]}
          />
        </div>
        {error && <Failure error={new Error(error)} />}
        <Boundary key={talk.current.n}>
          {app.data ? (
            <Talk app={app.data} conversation={conversation} run={run} setRun={setRun} look={look} began={began} />
          ) : (
            <Skeleton rows={6} />
          )}
        </Boundary>
      </section>
      <Behind run={run} conversation={conversation} />
      {listed && (
        <Dialog label={t('chat.conversations')} close={() => setListed(false)} heading={null}>
          <div className="list shown">{list}</div>
        </Dialog>
      )}
      {looking && (
        <Dialog label={t('chat.behind')} close={() => setLooking(false)} heading={null}>
          <Behind run={run} conversation={conversation} />
        </Dialog>
      )}
      {asking && (
        <Confirm
          label={t('chat.delete')}
          text={t('chat.delete.text')}
          action={t('delete')}
          act={() => void forget()}
          close={() => setAsking(false)}
        />
      )}
    </main>
  )
}
