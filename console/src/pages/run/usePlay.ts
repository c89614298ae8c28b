import { useEffect, useRef, useState } from 'react'
import type { RunView } from './useRunView.ts'

/** Plays through the log from where it is looked at, in about ten seconds. */
export function usePlay(view: RunView): [boolean, () => void] {
  const [playing, setPlaying] = useState(false)
  const at = useRef(view.position)
  at.current = view.position
  const { head } = view.follow
  const go = useRef(view.go)
  go.current = view.go
  useEffect(() => {
    if (!playing) return
    let last = performance.now()
    let due = 0
    let frame = requestAnimationFrame(function step(now) {
      due += ((now - last) * (head + 1)) / 10_000
      last = now
      const whole = Math.floor(due)
      due -= whole
      if (whole > 0) go.current(at.current + whole)
      if (at.current + whole >= head) setPlaying(false)
      else frame = requestAnimationFrame(step)
    })
    return () => cancelAnimationFrame(frame)
  }, [playing, head])
  const play = () => {
    if (!playing && view.atEnd) {
      at.current = 0
      view.go(0)
    }
    setPlaying(!playing)
  }
  return [playing, play]
}
