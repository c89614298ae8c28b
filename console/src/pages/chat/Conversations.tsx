import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useId, useRef } from 'react'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import type { App, Conversation } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTyped } from '../../app/useTyped.ts'
import { AppChooser } from '../../parts/Chooser.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Empty, Failure, Skeleton } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { dayWord, recent, t, tn } from '../../words/words.ts'

type Page = { data: Conversation[]; next?: string | null }

/** The end of an address that keeps the list to those of a user; `''` keeps none out. */
export const of = (user: string): string => (user ? `?${new URLSearchParams({ user })}` : '')

/** The conversations of an app, of all users (`''`) or of one, as many as were asked for. */
function useConversations(id: string, user: string) {
  const query = useInfiniteQuery({
    queryKey: ['conversations', id, user],
    queryFn: ({ pageParam }) => get<Page>(`apps/${id}/conversations`, { user, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next ?? undefined,
    refetchInterval: 10_000,
  })
  return { query, list: query.data?.pages.flatMap(page => page.data) ?? [] }
}

/** A conversation as it was last listed, for whichever user. */
export function useListed(id: string, user: string, conversation: string): Conversation | undefined {
  const cache = useQueryClient()
  useConversations(id, user)
  return cache
    .getQueriesData<InfiniteData<Page>>({ queryKey: ['conversations', id] })
    .flatMap(([, known]) => known?.pages.flatMap(page => page.data) ?? [])
    .filter(one => one.id === conversation)
    .sort((one, other) => other.updated_at - one.updated_at)[0]
}

/** Asks for the messages of a conversation again whenever its entry in the list tells of others: from another window. */
export function useNews(conversation: string, entry: Conversation | undefined): void {
  const cache = useQueryClient()
  const news = entry && `${conversation} ${entry.updated_at} ${entry.messages}`
  const known = useRef(news)
  useEffect(() => {
    const before = known.current
    known.current = news
    if (!news || news === before || !before?.startsWith(conversation)) return
    void cache.invalidateQueries({ queryKey: ['messages', conversation] })
  }, [cache, conversation, news])
}

type Props = {
  apps: readonly App[]
  id: string
  user: string
  conversation: string
  to: (path: string) => void
}

/** The list of conversations: of which app, of which user, and a new one. */
export function Conversations({ apps, id, user, conversation, to }: Props) {
  const may = useMay()
  const { query, list } = useConversations(id, user)
  return (
    <>
      <div className="hd">
        <AppChooser label={t('chat.app')} apps={apps} value={id} set={app => to(`/chat/${app}`)} />
        <User list={list} />
        {may && (
          <button type="button" className="btn" onClick={() => to(`/chat/${id}${of(user)}`)}>
            <Icon name="plus" />
            {t('chat.new')}
          </button>
        )}
      </div>
      <nav className="convs" aria-label={t('chat.conversations')}>
        {query.isPending && <Skeleton rows={6} height={48} />}
        {query.error && list.length === 0 ? <Failure error={query.error} again={() => void query.refetch()} /> : null}
        {query.data && list.length === 0 && <None user={user} />}
        <List list={list} href={one => `/chat/${id}/${one}${of(user)}`} conversation={conversation} to={to} />
        {query.hasNextPage && (
          <button type="button" className="btn small" onClick={() => void query.fetchNextPage()}>
            {t('runs.older')}
          </button>
        )}
      </nav>
    </>
  )
}

/** The user to whom the list is kept, by the whole name; those of the list are suggested. */
function User({ list }: { list: readonly Conversation[] }) {
  const [text, type] = useTyped('user')
  const known = useId()
  return (
    <div className="search">
      <input
        type="search"
        placeholder={t('chat.user')}
        aria-label={t('chat.user.label')}
        list={known}
        value={text}
        onChange={event => type(event.target.value)}
      />
      <datalist id={known}>
        {[...new Set(list.map(one => one.user))].map(one => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </div>
  )
}

function None({ user }: { user: string }) {
  const [, change] = useAddress()
  if (!user) return <Empty>{t('chat.none')}</Empty>
  return (
    <Empty>
      <span className="stack">
        {t('chat.none_of', { name: visible(user) })}
        <button type="button" className="btn small" onClick={() => change({ user: undefined }, true)}>
          {t('chat.all_users')}
        </button>
      </span>
    </Empty>
  )
}

type ListProps = {
  list: readonly Conversation[]
  href: (conversation: string) => string
  conversation: string
  to: (path: string) => void
}

function List({ list, href, conversation, to }: ListProps) {
  let last = ''
  return list.map(one => {
    const heading = dayWord(one.updated_at)
    const isNew = heading !== last
    last = heading
    return (
      <div key={one.id}>
        {isNew && <h2>{heading}</h2>}
        <Link
          href={href(one.id)}
          aria-current={one.id === conversation ? 'true' : undefined}
          onClick={event => {
            event.preventDefault()
            to(href(one.id))
          }}
        >
          <span className="row">
            <span className={`cut grow ${one.id === conversation ? 'strong' : ''}`}>
              {visible(one.name) || t('chat.untitled')}
            </span>
          </span>
          <span className="faint small cut">
            {`${tn('chat.messages', one.messages)} · ${recent(one.updated_at)} · ${visible(one.user)}`}
          </span>
        </Link>
      </div>
    )
  })
}
