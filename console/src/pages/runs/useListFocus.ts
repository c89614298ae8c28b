import { type FocusEventHandler, type RefObject, useCallback, useEffect, useRef } from 'react'

export const rowsIn = (list: RefObject<HTMLElement | null>): HTMLElement[] => [
  ...(list.current?.querySelectorAll<HTMLElement>('[data-row]') ?? []),
]

/** Keeps the focus in a live list. What leaves the page takes the focus with it: a row gives it to the next, a button or
 * a dialog to the list. Returns what the list does on focus. */
export function useListFocus(list: RefObject<HTMLElement | null>): FocusEventHandler {
  const had = useRef<{ focused: HTMLElement; at: number }>(undefined)
  useEffect(() => {
    if (!had.current || had.current.focused.isConnected || document.activeElement !== document.body) return
    const rows = rowsIn(list)
    const next = had.current.at < 0 ? undefined : (rows[had.current.at] ?? rows.at(-1))
    ;(next ?? list.current)?.focus({ preventScroll: true })
  })
  return useCallback(
    event => {
      had.current = { focused: event.target as HTMLElement, at: rowsIn(list).indexOf(event.target as HTMLElement) }
    },
    [list],
  )
}
