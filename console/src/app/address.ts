// What the address says, and changing it: everything that is chosen, filtered and looked at stands there.
import { useCallback } from 'react'
import { useLocation, useSearch } from 'wouter'

export type Changes = Record<string, string | undefined>

/** State of an entry of the history that was added to this page's own. */
const ADDED = 'added'

/** The search parameters of the address, a function that changes some of them (`undefined` takes one away; `keep` adds
 * an entry to the history), and one that takes away the parameter of a dialog, with the entry that was added for it. */
export function useAddress(): [
  get: (name: string) => string,
  set: (changes: Changes, keep?: boolean) => void,
  close: (name: string) => void,
] {
  const search = useSearch()
  const [path, go] = useLocation()
  const get = useCallback((name: string) => new URLSearchParams(search).get(name) ?? '', [search])
  const set = useCallback(
    (changes: Changes, keep = false) => {
      // The address of now, not that of the last drawing: two changes may come in one turn.
      const params = new URLSearchParams(window.location.search)
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined || value === '') params.delete(name)
        else params.set(name, value)
      }
      const text = params.toString()
      if (text !== new URLSearchParams(window.location.search).toString())
        go(`${path}${text ? `?${text}` : ''}`, { replace: !keep, state: keep ? ADDED : history.state })
    },
    [path, go],
  )
  const close = useCallback(
    (name: string) => {
      if (history.state !== ADDED) return set({ [name]: undefined })
      // What else the address learnt meanwhile, such as the place of a replay, stays.
      const now = Object.fromEntries(new URLSearchParams(window.location.search))
      addEventListener('popstate', () => set({ ...now, [name]: undefined }), { once: true })
      // A second call before the address has changed must not go back twice.
      history.replaceState(null, '')
      history.back()
    },
    [set],
  )
  return [get, set, close]
}
