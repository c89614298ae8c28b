// What the run page shows at a moment: the follower's log, the position that is looked at, and what is chosen.
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { runSource } from '../../api/run.ts'
import { useAddress } from '../../app/address.ts'
import { useNow } from '../../app/useNow.ts'
import { cause } from '../../run/failures.ts'
import { Follower } from '../../run/follow.ts'
import { above, roundId } from '../../run/rows.ts'
import { isOver, named } from '../../run/selectors.ts'
import type { Execution, RunState } from '../../run/state.ts'

/** At the next frame; a page that is not seen has none. */
const soon = (then: () => void): void => {
  if (document.hidden) setTimeout(then, 100)
  else requestAnimationFrame(then)
}

export function useFollower(id: string): Follower {
  const follower = useMemo(() => new Follower(runSource(id), soon), [id])
  useEffect(() => {
    void follower.start()
    return () => follower.close()
  }, [follower])
  return follower
}

export type Picked = {
  readonly execution?: Execution | undefined
  readonly node: string
  readonly round?: number | undefined
  readonly row: string
}

export function useRunView(id: string) {
  const follower = useFollower(id)
  const follow = useSyncExternalStore(follower.subscribe, follower.snapshot)
  const [read, change] = useAddress()
  const asked = read('at')
  const atEnd = asked === '' || Number(asked) >= follow.head
  const position = atEnd ? follow.head : Math.max(0, Number(asked) || 0)
  const latest = follow.run
  const run: RunState = useMemo(() => (atEnd ? latest : follower.log.at(position)), [atEnd, latest, follower, position])
  const now = useNow(!isOver(latest) && latest.status !== 'paused', () => follower.now())
  // What a run that has ended left unfinished took no longer than until then.
  // While its log is read, nobody knows yet whether it still runs: then it is as late as what was read.
  const reading = follow.phase === 'loading' || follow.phase === 'held'
  const moment = atEnd && !isOver(latest) && !reading ? Math.max(now, latest.at) : run.at
  // Nothing of the log is here: it comes, or it cannot be read.
  const unread = follow.head < 0
  const begins = unread && follow.phase === 'loading'

  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const toggle = useCallback((row: string, is?: boolean) => {
    setOpen(rows => {
      const next = new Set(rows)
      if (is ?? !next.has(row)) next.add(row)
      else next.delete(row)
      return next
    })
  }, [])
  const reveal = useCallback((execution: Execution, round?: number) => {
    setOpen(rows => new Set([...rows, ...above(execution), ...(round === undefined ? [] : [execution.id])]))
  }, [])

  const pick = useCallback(
    (node: string, round?: number) => change({ node, round: round === undefined ? undefined : String(round) }),
    [change],
  )
  const go = useCallback(
    (to: number) => change({ at: to >= follower.log.head ? undefined : String(Math.max(0, to)) }),
    [change, follower],
  )
  const name = read('node')
  const round = /^\d{1,9}$/.test(read('round')) ? Number(read('round')) : undefined
  const execution = name ? named(run, name) : undefined
  const picked: Picked = {
    execution,
    node: execution?.nodeId ?? name,
    round,
    row: execution ? (round === undefined ? execution.id : roundId(execution.id, round)) : '',
  }

  // Once: what is looked at first. A form that is open, why it failed, or what the address says.
  const begun = useRef(false)
  useEffect(() => {
    if (begun.current || (follow.phase === 'loading' && follow.head < follow.end) || follow.head < 0) return
    begun.current = true
    const form = atEnd ? latest.forms[0] : undefined
    const last = run.executions.filter(one => one.rounds.length === 0).at(-1)
    const first = name
      ? named(latest, name)
      : form
        ? named(latest, form.executionId)
        : ((atEnd ? cause(latest) : undefined) ?? last)
    if (!first) return
    reveal(first, round)
    if (!name) pick(first.id)
  }, [follow, latest, run, atEnd, name, round, pick, reveal])

  return {
    runId: id,
    begins,
    unread,
    follower,
    follow,
    latest,
    run,
    position,
    atEnd,
    moment,
    open,
    toggle,
    reveal,
    pick,
    picked,
    go,
  }
}
export type RunView = ReturnType<typeof useRunView>
