import { useEffect, useRef, useState } from 'react'
import type { RunEvent } from '../run/events.ts'
import { density } from '../run/selectors.ts'
import { clock, count, t } from '../words/words.ts'
import { Icon } from './Icon.tsx'

type Props = {
  events: readonly RunEvent[]
  head: number
  position: number
  at: number
  go: (to: number) => void
  playing: boolean
  play: () => void
  /** What stands at its end: whether the run is live, and the way there. */
  children: React.ReactNode
}

/** Moves along the log. The height of a tick: time that passed; red: failures; violet: humans. */
export function Scrubber({ events, head, position, at, go, playing, play, children }: Props) {
  const event = events[position]
  const last = Math.max(0, head)
  return (
    // biome-ignore lint/a11y/useSemanticElements: no fields of a form
    <div className="scrub" role="group" aria-label={t('replay')}>
      <button
        type="button"
        className="btn icon small plain"
        aria-label={t('keys.backward')}
        onClick={() => go(position - 1)}
      >
        <Icon name="back" small />
      </button>
      <button type="button" className="btn icon small plain" aria-label={t(playing ? 'hold' : 'play')} onClick={play}>
        <Icon name={playing ? 'pause' : 'play'} small />
      </button>
      <button
        type="button"
        className="btn icon small plain"
        aria-label={t('keys.forward')}
        onClick={() => go(position + 1)}
      >
        <Icon name="fwd" small />
      </button>
      <div className="track">
        <Density events={events} head={last} position={position} />
        <input
          type="range"
          min={0}
          max={last}
          value={Math.max(0, position)}
          aria-label={t('position')}
          aria-valuetext={t('position.value', { n: count(position + 1), all: count(last + 1), at: clock(at, true) })}
          onChange={change => go(Number(change.target.value))}
        />
      </div>
      <span className="num mono dim only-large where">
        {event
          ? `${event.event} · ${t('of', { n: count(position + 1), all: count(last + 1) })} · ${clock(at, true)}`
          : ''}
      </span>
      {children}
    </div>
  )
}

function Density({ events, head, position }: { events: readonly RunEvent[]; head: number; position: number }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [width, setWidth] = useState(0)
  const [look, setLook] = useState('')
  useEffect(() => {
    const element = canvas.current
    if (!element) return
    const size = new ResizeObserver(() => setWidth(element.clientWidth))
    size.observe(element)
    const theme = new MutationObserver(() => setLook(document.documentElement.dataset.theme ?? ''))
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    return () => {
      size.disconnect()
      theme.disconnect()
    }
  }, [])
  // The columns are counted again when the log has grown by a column, not at every event.
  const columns = Math.max(1, Math.floor(width / 4))
  const step = Math.max(1, Math.floor((head + 1) / columns))
  const grown = Math.floor(head / step)
  const counted = useRef<{ key: string; columns: ReturnType<typeof density> }>({ key: '', columns: [] })
  useEffect(() => {
    const element = canvas.current
    const pen = element?.getContext('2d')
    if (!element || !pen || width === 0) return
    const key = `${grown} ${step} ${columns}`
    if (counted.current.key !== key) counted.current = { key, columns: density(events, columns) }
    const style = getComputedStyle(document.documentElement)
    const height = element.clientHeight
    element.width = width * devicePixelRatio
    element.height = height * devicePixelRatio
    pen.scale(devicePixelRatio, devicePixelRatio)
    const list = counted.current.columns
    const gone = position / Math.max(1, head)
    for (const [index, column] of list.entries()) {
      const tall = 5 + Math.min(14, Math.log2(1 + column.seconds * 40))
      const name =
        column.kind === 'failed'
          ? '--failed-fill'
          : column.kind === 'paused'
            ? '--paused-fill'
            : index / list.length <= gone
              ? '--stopped-fill'
              : '--line-2'
      pen.fillStyle = style.getPropertyValue(name)
      pen.fillRect(
        5.5 + (index * (width - 11)) / list.length,
        (height - tall) / 2,
        Math.max(1.2, (width - 11) / list.length - 1.4),
        tall,
      )
    }
    void look
  }, [events, head, position, width, look, columns, step, grown])
  return <canvas ref={canvas} aria-hidden="true" />
}
