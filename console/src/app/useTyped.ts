import { useEffect, useRef, useState } from 'react'
import { useAddress } from './address.ts'

/** Milliseconds behind the last key. */
const PAUSE = 300

/** The text of a field that stands in the address, shortly after it was typed, under a name. */
export function useTyped(name: string): [text: string, type: (text: string) => void] {
  const [read, change] = useAddress()
  const asked = read(name)
  const [text, setText] = useState(asked)
  const sent = useRef(asked)
  useEffect(() => {
    // What the address says otherwise, by the button back or a link, is what is looked for.
    if (asked !== sent.current) setText(asked)
    sent.current = asked
  }, [asked])
  useEffect(() => {
    const wanted = text.trim()
    if (wanted === sent.current) return
    const timer = setTimeout(() => {
      sent.current = wanted
      change({ [name]: wanted || undefined })
    }, PAUSE)
    return () => clearTimeout(timer)
  }, [text, change, name])
  return [text, setText]
}
