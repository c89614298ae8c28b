import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, Redirect, useLocation } from 'wouter'
import { get, remove } from '../../api/client.ts'
import { useApp, useApps } from '../../api/queries.ts'
import type { App, Conversation } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Confirm, Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Menu } from '../../parts/Menu.tsx'
import { Boundary, Empty, errorText, Failure, Skeleton } from '../../parts/Panel.tsx'
import { dayWord, recent, t, tn } from '../../words/words.ts'
import { Behind } from './Behind.tsx'
import { Talk } from './Talk.tsx'
import '../../../styles/chat.css'
import { visible } from '../../words/visible.ts'

const CHATS = ['advanced-chat', 'chat', 'agent-chat']

export default function ChatPage({ app, conversation }: { app: string; conversation: string }) {
  useTitle(t('page.chat'))
  const apps = useApps()
  const chats = (apps.data ?? []).filter(one => CHATS.includes(one.mode))
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
  if (!chats.some(one => one.id === app)) return <Redirect to={`/chat/${first.id}`} replace />
  return <Chat key={app} apps={chats} id={app} conversation={conversation} />
}

function Chat({ apps, id, conversation }: { apps: readonly App[]; id: string; conversation: string }) {
  const app = useApp(id)
  const may = useMay()
  const cache = useQueryClient()
  const [, to] = useLocation()
  const [run, setRun] = useState('')
  const [asking, setAsking] = useState(false)
  const [listed, setListed] = useState(false)
  const [error, setError] = useState('')
  const name = useConversations(id).list.find(one => one.id === conversation)?.name
  const forget = async () => {
    try {
      await remove(`conversations/${conversation}`)
      cache.removeQueries({ queryKey: ['messages', conversation] })
      await cache.invalidateQueries({ queryKey: ['conversations', id] })
      to(`/chat/${id}`)
    } catch (failure) {
      setError(errorText(failure))
    }
  }
  const list = (
    <List
      apps={apps}
      id={id}
      conversation={conversation}
      to={path => {
        setListed(false)
        setRun('')
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
            {visible(name || (app.data?.name ?? ''))}
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
        <Boundary key={conversation}>
          {app.data ? (
            <Talk key={conversation} app={app.data} conversation={conversation} run={run} setRun={setRun} />
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

/** The conversations of an app, as many as were asked for. */
function useConversations(id: string) {
  const query = useInfiniteQuery({
    queryKey: ['conversations', id],
    queryFn: ({ pageParam }) =>
      get<{ data: Conversation[]; next?: string | null }>(`apps/${id}/conversations`, { cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next ?? undefined,
    refetchInterval: 10_000,
  })
  return { query, list: query.data?.pages.flatMap(page => page.data) ?? [] }
}

type ListProps = { apps: readonly App[]; id: string; conversation: string; to: (path: string) => void }

function List({ apps, id, conversation, to }: ListProps) {
  const may = useMay()
  const { query, list } = useConversations(id)
  let last = ''
  return (
    <>
      <div className="hd">
        <select aria-label={t('chat.app')} value={id} onChange={event => to(`/chat/${event.target.value}`)}>
          {apps.map(app => (
            <option key={app.id} value={app.id}>
              {app.icon?.type === 'emoji' ? `${app.icon.value} ${visible(app.name)}` : visible(app.name)}
            </option>
          ))}
        </select>
        {may && (
          <button type="button" className="btn" onClick={() => to(`/chat/${id}`)}>
            <Icon name="plus" />
            {t('chat.new')}
          </button>
        )}
      </div>
      <nav className="convs" aria-label={t('chat.conversations')}>
        {query.isPending && <Skeleton rows={6} height={48} />}
        {query.error && list.length === 0 ? <Failure error={query.error} again={() => void query.refetch()} /> : null}
        {query.data && list.length === 0 && <Empty>{t('chat.none')}</Empty>}
        {list.map(one => {
          const heading = dayWord(one.updated_at)
          const isNew = heading !== last
          last = heading
          return (
            <div key={one.id}>
              {isNew && <h2>{heading}</h2>}
              <Link
                href={`/chat/${id}/${one.id}`}
                aria-current={one.id === conversation ? 'true' : undefined}
                onClick={event => {
                  event.preventDefault()
                  to(`/chat/${id}/${one.id}`)
                }}
              >
                <span className="row">
                  <span className={`cut grow ${one.id === conversation ? 'strong' : ''}`}>
                    {visible(one.name) || t('chat.untitled')}
                  </span>
                </span>
                <span className="faint small cut">{`${tn('chat.messages', one.messages)} · ${recent(one.updated_at)} · ${one.user}`}</span>
              </Link>
            </div>
          )
        })}
        {query.hasNextPage && (
          <button type="button" className="btn small" onClick={() => void query.fetchNextPage()}>
            {t('runs.older')}
          </button>
        )}
      </nav>
    </>
  )
}
