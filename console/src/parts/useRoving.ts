import { type KeyboardEvent, useState } from 'react'

/** Of many small links or buttons one is in the tab order, at first that of index `first`. Arrow keys, Home and End move
 * among them, also from row to row; with a modifier they are the browser's. */
export function useRoving(count: number, first: number) {
  const [at, setAt] = useState(first)
  const here = Math.min(at, count - 1)
  const keys = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const parts = [...event.currentTarget.querySelectorAll<HTMLElement | SVGElement>('a, button')]
    const tops = parts.map(part => part.getBoundingClientRect().top)
    const across = tops.filter(top => top === tops[0]).length
    const places: Partial<Record<string, number>> = {
      ArrowLeft: here - 1,
      ArrowRight: here + 1,
      ArrowUp: here - across,
      ArrowDown: here + across,
      Home: 0,
      End: count - 1,
    }
    const next = parts[places[event.key] ?? -1]
    if (!next) return
    event.preventDefault()
    next.focus()
  }
  const part = (index: number) => ({ tabIndex: index === here ? 0 : -1, onFocus: () => setAt(index) })
  return { keys, part }
}
