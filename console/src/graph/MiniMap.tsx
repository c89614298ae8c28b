import { useStore, type Viewport } from '@xyflow/react'
import { type KeyboardEvent, type PointerEvent, useState } from 'react'
import type { GraphNode } from '../api/types.ts'
import { t } from '../words/words.ts'
import { bounds, type DrawnGraph, isNote } from './fromApi.ts'
import { type GraphStates, useNodeLook } from './states.ts'

const WIDE = 148
const HIGH = 76
/** Of a graph that is long and flat, too: so that a finger finds it. */
const LEAST = 28
/** Of what is shown, that an arrow key moves it by. */
const STEP = 0.25
const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

type Props = {
  graph: DrawnGraph
  states: GraphStates
  to: (view: Viewport) => void
  fit: () => void
}

/** All of a graph, small, with what of it is shown; not there while all is shown. */
export function MiniMap({ graph, states, to, fit }: Props) {
  const [x, y, zoom] = useStore(store => store.transform)
  const width = useStore(store => store.width) / zoom
  const height = useStore(store => store.height) / zoom
  const [held, setHeld] = useState(false)
  const all = bounds(graph)
  const [left, top] = [-x / zoom, -y / zoom]
  const isWhole =
    left <= all.x + 1 &&
    top <= all.y + 1 &&
    left + width >= all.x + all.width - 1 &&
    top + height >= all.y + all.height - 1
  // While it has the focus it stays, or the keyboard would lose its place.
  if ((isWhole && !held) || width === 0) return null
  const scale = Math.min(WIDE / all.width, HIGH / all.height)
  const go = (centreX: number, centreY: number) =>
    to({ zoom, x: -(centreX - width / 2) * zoom, y: -(centreY - height / 2) * zoom })
  const keys = (event: KeyboardEvent) => {
    const way = ARROWS[event.key]
    if (!way) return
    event.preventDefault()
    event.stopPropagation()
    const between = (low: number, middle: number, size: number) => Math.min(low + size, Math.max(low, middle))
    go(
      between(all.x, left + width / 2 + way[0] * width * STEP, all.width),
      between(all.y, top + height / 2 + way[1] * height * STEP, all.height),
    )
  }
  const point = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    go(
      all.x + all.width / 2 + (event.clientX - box.left - box.width / 2) / scale,
      all.y + all.height / 2 + (event.clientY - box.top - box.height / 2) / scale,
    )
  }
  return (
    <button
      type="button"
      className="minimap"
      style={{ width: Math.max(LEAST, all.width * scale), height: Math.max(LEAST, all.height * scale) }}
      aria-label={t('graph.map')}
      title={t('graph.map')}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      onKeyDown={keys}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId)
        point(event)
      }}
      onPointerMove={event => event.buttons === 1 && point(event)}
      // By keyboard: a pointer has told its place.
      onClick={event => event.detail === 0 && fit()}
    >
      <svg viewBox={`${all.x} ${all.y} ${all.width} ${all.height}`} aria-hidden="true">
        {graph.nodes
          .filter(node => !isNote(node))
          .map(node => (
            <Spot key={node.id} node={node} states={states} />
          ))}
        <rect className="shown" x={left} y={top} width={width} height={height} />
      </svg>
    </button>
  )
}

function Spot({ node, states }: { node: GraphNode; states: GraphStates }) {
  const status = useNodeLook(states, node.id)?.status
  const { x, y, width, height } = node
  return <rect className={`spot ${status ? `st-${status}` : ''}`} {...{ x, y, width, height }} />
}
