import { type CSSProperties, type KeyboardEvent, type PointerEvent, useRef, useState } from 'react'
import { store, stored } from '../app/storage.ts'
import { t } from '../words/words.ts'

/** Pixels that each of both parts keeps. */
const LEAST = 140
const STEP = 24

/** The size of a part that a `Splitter` sets, kept in this browser; `undefined`: as the style sheet has it. */
export function useSplit(name: string) {
  const key = `jikko.split.${name}`
  const [size, setSize] = useState(() => Number(stored(key)) || undefined)
  const set = (wanted: number | undefined) => {
    setSize(wanted)
    store(key, wanted === undefined ? undefined : String(Math.round(wanted)))
  }
  const style = size === undefined ? {} : ({ [`--${name}`]: `${size}px` } as CSSProperties)
  return { size, set, style }
}

/**
 * The line between two parts of its parent: dragged, or moved by the arrow keys; Enter and a double click take the size
 * back. The part whose size it sets is the one before it (`up`: above) or, with `right`, the one behind it.
 */
export function Splitter({ split, side }: { split: ReturnType<typeof useSplit>; side: 'up' | 'right' }) {
  const line = useRef<HTMLHRElement>(null)
  const up = side === 'up'
  const whole = () => {
    const box = line.current?.parentElement?.getBoundingClientRect()
    return box ? (up ? box.height : box.width) : 0
  }
  const now = () => {
    const part = up ? line.current?.previousElementSibling : line.current?.nextElementSibling
    const box = part?.getBoundingClientRect()
    return box ? (up ? box.height : box.width) : 0
  }
  const to = (size: number) => split.set(Math.max(LEAST, Math.min(whole() - LEAST, size)))
  const drag = (event: PointerEvent<HTMLHRElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return
    const box = event.currentTarget.parentElement?.getBoundingClientRect()
    if (box) to(up ? event.clientY - box.top : box.right - event.clientX)
  }
  const keys = (event: KeyboardEvent) => {
    const by = { ArrowUp: -STEP, ArrowLeft: STEP, ArrowDown: STEP, ArrowRight: -STEP }[event.key]
    const across = up === (event.key === 'ArrowUp' || event.key === 'ArrowDown')
    if (by !== undefined && across) to(now() + by)
    else if (event.key === 'Enter') split.set(undefined)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <hr
      ref={line}
      className={`splitter only-large ${side}`}
      tabIndex={0}
      aria-label={t(up ? 'split.graph' : 'split.inspector')}
      aria-orientation={up ? 'horizontal' : 'vertical'}
      aria-valuenow={Math.round(split.size ?? 0)}
      aria-valuemin={0}
      aria-valuemax={4000}
      onKeyDown={keys}
      onPointerDown={event => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
      onDoubleClick={() => split.set(undefined)}
    />
  )
}
