import { useEffect, useState } from 'react'
import { flushSync } from 'react-dom'

/** Rows before and behind those on the screen that paper has. */
export const PRINTED = 5000

/** Whether the page is being printed: paper has rows that a screen would scroll to. */
export function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false)
  useEffect(() => {
    const turn = (event: Event) => flushSync(() => setPrinting(event.type === 'beforeprint'))
    const names = ['beforeprint', 'afterprint']
    for (const name of names) window.addEventListener(name, turn)
    return () => {
      for (const name of names) window.removeEventListener(name, turn)
    }
  }, [])
  return printing
}
