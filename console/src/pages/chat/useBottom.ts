import { useEffect, useRef, useState } from 'react'

/** Stays at the bottom while the end is seen; whoever scrolled up is not moved. */
export function useBottom() {
  const box = useRef<HTMLDivElement>(null)
  const [behind, setBehind] = useState(false)
  const held = useRef(true)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const follow = () => {
      if (held.current) element.scrollTop = element.scrollHeight
      else setBehind(element.scrollHeight - element.scrollTop - element.clientHeight > 40)
    }
    const scrolled = () => {
      held.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40
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
    setBehind(false)
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }
  return { box, behind, down }
}
