// One polite live region for the whole page. What is said within half a second is one message.
import { useEffect, useState } from 'react'

const WAIT = 500
let waiting: string[] = []
let show: ((text: string) => void) | undefined
let timer: ReturnType<typeof setTimeout> | undefined

export function announce(text: string): void {
  if (!text || waiting.at(-1) === text) return
  waiting.push(text)
  if (timer !== undefined) return
  timer = setTimeout(() => {
    show?.(waiting.slice(-4).join('. '))
    waiting = []
    timer = undefined
  }, WAIT)
}

export function Announcer() {
  const [text, setText] = useState('')
  useEffect(() => {
    show = setText
    return () => {
      show = undefined
    }
  }, [])
  return (
    <p className="sr" role="status" aria-live="polite">
      {text}
    </p>
  )
}
