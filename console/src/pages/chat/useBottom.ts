import { useEffect, useLayoutEffect, useRef, useState } from 'react'

/** Pixels from the end that do not count: an answer that has ended has grown by less. */
const ROOM = 64

/** Stays at the bottom while the end is seen. A page that was scrolled up is not moved; the end of an answer moves none.
 *
 * @param live Whether an answer is being made.
 */
export function useBottom(live: boolean) {
  const box = useRef<HTMLDivElement>(null)
  const [behind, setBehind] = useState(false)
  const held = useRef(true)
  // What an answer brings with its end comes below what is read.
  const rests = useRef(false)
  useLayoutEffect(() => {
    if (!live) return
    rests.current = false
    return () => {
      rests.current = true
    }
  }, [live])
  useEffect(() => {
    const element = box.current
    if (!element) return
    const below = () => element.scrollHeight - element.scrollTop - element.clientHeight
    const follow = () => {
      if (held.current && !rests.current) element.scrollTop = element.scrollHeight
      else setBehind(below() > ROOM)
    }
    const scrolled = () => {
      held.current = below() < ROOM
      if (held.current) setBehind(false)
    }
    const watch = new MutationObserver(follow)
    watch.observe(element, { childList: true, subtree: true, characterData: true })
    element.addEventListener('scroll', scrolled, { passive: true })
    follow()
    return () => {
      watch.disconnect()
      element.removeEventListener('scroll', scrolled)
    }
  }, [])
  const down = () => {
    held.current = true
    rests.current = false
    setBehind(false)
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }
  return { box, behind, down }
}
