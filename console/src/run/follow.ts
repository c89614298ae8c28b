// One run as it is read: pages of its log first, then, while it goes on, its stream. Whoever shows it subscribes.
import type { RunEvent } from './events.ts'
import { RunLog } from './log.ts'
import type { RunState } from './state.ts'

/** `end`: how many events the log has so far; `closed`: that it gets no more. */
export type LogPage = { readonly data: readonly RunEvent[]; readonly end: number; readonly closed: boolean }
export type Phase = 'loading' | 'live' | 'reconnecting' | 'ended' | 'held' | 'failed'
export type Source = {
  /** The events behind a position, as many as a page holds. */
  readonly page: (after: number, signal: AbortSignal) => Promise<LogPage>
  /** Follows the log behind a position until it ends or `signal` says so; connects again by itself. */
  readonly stream: (after: () => number, hear: Hear, signal: AbortSignal) => Promise<void>
}
export type Hear = {
  readonly hello: (now: number) => void
  readonly events: (events: readonly RunEvent[]) => void
  /** The connection is gone and is made again, or is there again. */
  readonly connected: (is: boolean) => void
}
/** What is shown. A new object whenever something changed. */
export type Follow = {
  readonly phase: Phase
  readonly run: RunState
  readonly head: number
  /** The last position that the server told, which pages are still on their way to. */
  readonly end: number
  readonly error?: unknown
  /** When the connection was lost, in seconds of this machine. */
  readonly lostAt?: number
}

/** So many events are read unasked. */
const ENOUGH = 300_000

export class Follower {
  readonly log = new RunLog()
  /** Seconds that the server's clock is ahead of this machine's. */
  ahead = 0
  private view: Follow
  private readonly listeners = new Set<() => void>()
  private readonly over = new AbortController()
  private due = false
  private pending: Partial<Follow> = {}

  /** `soon` calls a function a little later: at the next frame, in a browser. `clock`: seconds of this machine. */
  constructor(
    private readonly source: Source,
    private readonly soon: (then: () => void) => void,
    private readonly clock: () => number = () => Date.now() / 1000,
  ) {
    this.view = { phase: 'loading', run: this.log.at(), head: -1, end: -1 }
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  readonly snapshot = (): Follow => this.view
  now(): number {
    return this.clock() + this.ahead
  }
  close(): void {
    this.over.abort()
  }

  /** Reads and follows until the run's end, or `close`. */
  async start(limit = ENOUGH): Promise<void> {
    const { signal } = this.over
    try {
      for (;;) {
        const { closed, held } = await this.read(limit)
        if (held) return this.tell({ phase: 'held' })
        if (closed) return this.tell({ phase: 'ended' })
        let gap = false
        const cut = new AbortController()
        const stop = () => cut.abort()
        signal.addEventListener('abort', stop)
        this.tell({ phase: 'live' })
        await this.source.stream(
          () => this.log.head,
          {
            hello: now => {
              this.ahead = now - this.clock()
            },
            events: events => {
              if (!this.log.add(events)) {
                gap = true
                return cut.abort()
              }
              this.tell({})
              if (events.at(-1)?.event === 'run_finished') cut.abort()
            },
            connected: is => {
              // What waits for the next frame counts: in the background that may be long after.
              const { lostAt } = { ...this.view, ...this.pending }
              this.tell(
                is ? { phase: 'live', lostAt: undefined } : { phase: 'reconnecting', lostAt: lostAt ?? this.clock() },
              )
            },
          },
          cut.signal,
        )
        signal.removeEventListener('abort', stop)
        if (signal.aborted) return
        if (!gap && this.log.events.at(-1)?.event === 'run_finished') return this.tell({ phase: 'ended' })
      }
    } catch (error) {
      if (!signal.aborted) this.tell({ phase: 'failed', error })
    }
  }

  private async read(limit: number): Promise<{ closed: boolean; held: boolean }> {
    for (;;) {
      const before = this.log.head
      const page = await this.source.page(before, this.over.signal)
      this.log.add(page.data)
      this.tell({ end: page.end - 1 })
      if (this.log.events.at(-1)?.event === 'run_finished') return { closed: true, held: false }
      if (this.log.head + 1 >= page.end || this.log.head === before) return { closed: page.closed, held: false }
      if (this.log.events.length >= limit) return { closed: false, held: true }
    }
  }

  private tell(what: Partial<Follow>): void {
    this.pending = { ...this.pending, ...what }
    if (this.due) return
    this.due = true
    this.soon(() => {
      this.due = false
      const head = this.log.head
      this.view = {
        ...this.view,
        ...this.pending,
        run: this.log.at(),
        head,
        end: Math.max(head, this.pending.end ?? this.view.end),
      }
      this.pending = {}
      for (const listener of [...this.listeners]) listener()
    })
  }
}
