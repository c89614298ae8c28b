// What lists and panels have in common: loading, empty, error, stale, and a boundary for each.
import { Component, type ReactNode, useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { ApiError } from '../api/client.ts'
import { told } from '../words/codes.ts'
import { visible } from '../words/visible.ts'
import { clock, t } from '../words/words.ts'
import { Code } from './Code.tsx'
import { Icon } from './Icon.tsx'

export function Panel(props: {
  title: ReactNode
  beside?: ReactNode
  children: ReactNode
  className?: string
  plain?: boolean
}) {
  return (
    <section className={`panel ${props.className ?? ''}`}>
      <header>
        {typeof props.title === 'string' ? <h2>{props.title}</h2> : props.title}
        {props.beside}
      </header>
      <Boundary>{props.plain ? props.children : <div className="in">{props.children}</div>}</Boundary>
    </section>
  )
}

/** What went wrong, in the server's words. */
export function errorText(error: unknown): string {
  if (error instanceof ApiError)
    return error.status === 0
      ? t('error.not_reached')
      : visible(told(error.code, error.message)) || t('error.status', { n: error.status })
  if (error instanceof PartMissing) return t('error.part')
  return error instanceof Error ? error.message : t('error.unknown')
}

export function Failure({
  error,
  again,
  word = 'again',
}: {
  error: unknown
  again?: () => void
  word?: 'again' | 'reload' | 'import.look'
}) {
  return (
    <div className="failure" role="alert">
      <span className="st st-failed">
        <Icon name="failed" />
      </span>
      <span className="grow">{errorText(error)}</span>
      {again && (
        <button type="button" className="btn small" onClick={again}>
          {t(word)}
        </button>
      )}
    </div>
  )
}

/** Rows of the final height, shown when loading takes longer than 150 ms. */
export function Skeleton({ rows, height = 32 }: { rows: number; height?: number }) {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div className="skeleton" role="status" aria-busy="true" style={{ minHeight: rows * height }}>
      <span className="sr">{t('loading')}</span>
      {late &&
        Array.from({ length: rows }, (_, index) => (
          <div key={index} style={{ height }} aria-hidden="true">
            <i style={{ width: `${38 + ((index * 17) % 40)}%` }} />
          </div>
        ))}
    </div>
  )
}

/** What is not there, why that may be, and the way on. */
export function Gone({ title, text, to, label }: { title: string; text: string; to?: string; label?: string }) {
  return (
    <main id="main" className="page">
      <h1>{title}</h1>
      <p className="dim gone">{text}</p>
      {to && (
        <Link className="btn" href={to}>
          {label}
        </Link>
      )}
    </main>
  )
}

/** A row of a list that comes into view once it is what is looked at. */
export function Row({ className, picked, children }: { className: string; picked: boolean; children: ReactNode }) {
  const row = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (picked) row.current?.scrollIntoView({ block: 'nearest' })
  }, [picked])
  return (
    <div ref={row} className={className} aria-current={picked || undefined}>
      {children}
    </div>
  )
}

/** Why the last action in a panel failed, if it did. */
export const Refused = ({ wrong }: { wrong: string }) =>
  wrong && (
    <p className="empty bad" role="alert">
      {wrong}
    </p>
  )

/** Fetches the next page of a list, if there is one. */
export const More = ({ of, children }: { of: Pages; children: ReactNode }) =>
  of.hasNextPage && (
    <button
      type="button"
      className="btn small"
      disabled={of.isFetchingNextPage}
      onClick={() => void of.fetchNextPage()}
    >
      {children}
    </button>
  )

type Pages = { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }

export const Empty = ({ children }: { children: ReactNode }) => (
  <div className="empty dim">{typeof children === 'string' ? <Code text={children} /> : children}</div>
)

type Asked<T> = {
  data: T | undefined
  error: unknown
  isPending: boolean
  dataUpdatedAt: number
  refetch: () => unknown
}

/**
 * What was asked for, or why it is not there. What was there stays there when a later answer fails. `none`: for an
 * empty list.
 */
export function Loaded<T>(props: {
  of: Asked<T>
  rows?: number
  height?: number
  none?: string
  children: (data: T) => ReactNode
}) {
  const { of } = props
  if (of.data === undefined) {
    return of.error ? (
      <Failure error={of.error} again={() => void of.refetch()} />
    ) : (
      <Skeleton rows={props.rows ?? 3} height={props.height ?? 32} />
    )
  }
  return (
    <>
      {of.error ? (
        <p className="stale" role="status">
          <Icon name="clock" small />
          {t('stale', { at: clock(of.dataUpdatedAt / 1000) })}
        </p>
      ) : null}
      {props.none && Array.isArray(of.data) && of.data.length === 0 ? (
        <Empty>{props.none}</Empty>
      ) : (
        props.children(of.data)
      )}
    </>
  )
}

/** The script of a page could not be had. */
export class PartMissing extends Error {}

/** What goes wrong while a panel is drawn stays in that panel. */
export class Boundary extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {}
  static getDerivedStateFromError(error: unknown) {
    return { error }
  }
  override render() {
    if (this.state.error === undefined) return this.props.children
    const { error } = this.state
    // What was not loaded once is not asked for again by the module that wanted it.
    if (error instanceof PartMissing) return <Failure error={error} again={() => location.reload()} word="reload" />
    return <Failure error={error} again={() => this.setState({ error: undefined })} />
  }
}
