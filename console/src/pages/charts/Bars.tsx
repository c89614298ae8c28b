import type { ReactNode } from 'react'
import { useLocation } from 'wouter'
import { base } from '../../api/client.ts'
import { useRoving } from '../../parts/useRoving.ts'

export type Bar = {
  /** When it is. */
  readonly label: string
  /** What it says, its time among it. */
  readonly text: string
  /** How high its parts reach, the highest first; each lies over the one before. */
  readonly parts: readonly (readonly [height: number, look: string])[]
  readonly to: string
}

const WIDE = 10
const HIGH = 100

/** Bars over time, each a link to its runs. One of them is a stop of the Tab key; arrows lead to the others. */
export function Bars({
  title,
  total,
  most,
  bars,
}: {
  title: string
  total: ReactNode
  most: string
  bars: readonly Bar[]
}) {
  const [, go] = useLocation()
  const { keys, part } = useRoving(bars.length, bars.length - 1)
  const highest = Math.max(...bars.map(bar => bar.parts[0]?.[0] ?? 0)) || 1
  return (
    <section className="panel chart" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <span className="more" />
        <span className="num">{total}</span>
      </header>
      <div className="most num" aria-hidden="true">
        {most}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: links that go together, no fields of a form */}
      <svg
        role="group"
        aria-label={title}
        viewBox={`0 0 ${bars.length * WIDE} ${HIGH}`}
        preserveAspectRatio="none"
        onKeyDown={keys}
      >
        {bars.map((bar, index) => (
          <a
            key={bar.to}
            href={`${base}${bar.to.slice(1)}`}
            aria-label={bar.text}
            {...part(index)}
            onClick={event => {
              if (event.metaKey || event.ctrlKey || event.shiftKey) return
              event.preventDefault()
              go(bar.to)
            }}
          >
            <title>{bar.text}</title>
            <rect className="ground" x={index * WIDE} y={0} width={WIDE} height={HIGH} />
            {bar.parts.map(([height, look]) => {
              const high = height > 0 ? Math.max(2, (height / highest) * (HIGH - 4)) : 0
              return (
                <rect key={look} className={look} x={index * WIDE + 1} y={HIGH - high} width={WIDE - 2} height={high} />
              )
            })}
          </a>
        ))}
      </svg>
      <div className="hours num" aria-hidden="true">
        {[0, 0.5, 1].map(share => (
          <span key={share}>{bars[Math.round((bars.length - 1) * share)]?.label}</span>
        ))}
      </div>
    </section>
  )
}
