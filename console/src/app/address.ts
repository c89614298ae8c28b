// What the address says, and changing it: everything that is chosen, filtered and looked at stands there.
import { useCallback } from 'react'
import { useLocation, useSearch } from 'wouter'

export type Changes = Record<string, string | undefined>

/** The search parameters of the address, and a function that changes some of them (`undefined` takes one away). */
export function useAddress(): [get: (name: string) => string, set: (changes: Changes, keep?: boolean) => void] {
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
        go(`${path}${text ? `?${text}` : ''}`, { replace: !keep })
    },
    [path, go],
  )
  return [get, set]
}
