import { ReactFlow, type ReactFlowInstance, useStore, type Viewport, ViewportPortal } from '@xyflow/react'
import { useCallback, useEffect, useMemo, useRef } from 'react'
import type { GraphEdge } from '../api/types.ts'
import { Icon } from '../parts/Icon.tsx'
import { t } from '../words/words.ts'
import { type Folded, useFolds } from './folds.ts'
import { bounds, type DrawnGraph, flowNodes, labelOf, path, type StepNodeOf } from './fromApi.ts'
import { labels } from './labels.ts'
import { MiniMap } from './MiniMap.tsx'
import { DotNode, GraphHands, NoteNode, StepNode } from './StepNode.tsx'
import { type GraphStates, useEdgeLook, useEdgeTimes } from './states.ts'
import '@xyflow/react/dist/base.css'
import '../../styles/graph.css'

/** Below this zoom nodes keep a text of 11 pixels and drop the rest. */
const FAR = 0.62
/** Below this one no text fits, and they are marks. */
const TINY = 0.26
const TYPES = { step: StepNode, note: NoteNode, dot: DotNode }
const ROOM = 22

type Props = {
  /** The app whose graph it is: which containers are folded is kept by it. */
  app: string
  graph: DrawnGraph
  states: GraphStates
  picked: string
  pick: (id: string) => void
  /** Gives a function that shows all of the graph, once there is one. */
  onFit?: (fit: () => void) => void
  follow?: { on: boolean; set: (on: boolean) => void; node: string }
  /** The node that failed: a button shows it, as large as its words need. */
  failure?: string | undefined
  /** What was chosen elsewhere comes into view, as large as its words need. */
  shown?: { readonly node: string } | undefined
  /** What a small screen, which cannot show all, shows until a node is picked. */
  first?: string | undefined
}

export function Graph({ app, graph: laid, states, picked, pick, onFit, follow, failure, shown, first = '' }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const flow = useRef<ReactFlowInstance<StepNodeOf> | null>(null)
  const moved = useRef(false)
  const { graph, toggle, reveal } = useFolds(app, laid, picked)
  const drawn = useRef(graph)
  drawn.current = graph
  const nodes = useMemo(() => flowNodes(graph), [graph])
  const far = useCallback((view: Viewport) => {
    box.current?.style.setProperty('--k', String(view.zoom))
    box.current?.toggleAttribute('data-far', view.zoom < FAR)
    box.current?.toggleAttribute('data-tiny', view.zoom < TINY)
  }, [])
  const set = useCallback(
    (view: Viewport) => {
      void flow.current?.setViewport(view)
      far(view)
    },
    [far],
  )
  const fit = useCallback(() => {
    const element = box.current
    if (!element || element.clientWidth === 0) return
    moved.current = false
    const all = bounds(laid)
    const whole = Math.min(
      1,
      (element.clientWidth - ROOM * 2) / all.width,
      (element.clientHeight - ROOM * 2) / all.height,
    )
    const zoom = element.clientWidth < 500 ? Math.max(whole, FAR) : whole
    const free = element.clientWidth - all.width * zoom
    set({
      zoom,
      x: Math.max(ROOM, free / 2) - all.x * zoom,
      y: (element.clientHeight - all.height * zoom) / 2 - all.y * zoom,
    })
  }, [laid, set])
  const centre = useCallback(
    (id: string, zoom = flow.current?.getZoom() ?? 1) => {
      const node = drawn.current.nodes.find(one => one.id === drawn.current.of(id))
      const element = box.current
      if (!node || !element) return
      set({
        zoom,
        x: element.clientWidth / 2 - (node.x + node.width / 2) * zoom,
        y: element.clientHeight / 2 - (node.y + node.height / 2) * zoom,
      })
    },
    [set],
  )
  const see = useCallback(
    (id: string) => {
      const view = flow.current?.getViewport()
      const node = drawn.current.nodes.find(one => one.id === id)
      const element = box.current
      if (!node || !element || !view) return
      const [x, y] = [node.x * view.zoom + view.x, node.y * view.zoom + view.y]
      if (x >= 0 && y >= 0 && x <= element.clientWidth - ROOM * 2 && y <= element.clientHeight - ROOM * 2) return
      moved.current = true
      set({ zoom: view.zoom, x: view.x - x + ROOM, y: view.y - y + ROOM })
    },
    [set],
  )
  const hands = useMemo(
    () => ({ states, picked, within: graph.of(picked), pick, toggle, see }),
    [states, picked, graph, pick, toggle, see],
  )
  const chosen = useRef('')
  chosen.current = picked || first
  const frame = useCallback(() => {
    fit()
    // On a small screen all of it cannot be read: what was chosen first comes to the middle.
    if ((box.current?.clientWidth ?? 0) < 500 && chosen.current) centre(chosen.current)
  }, [fit, centre])
  useEffect(() => {
    onFit?.(fit)
    const element = box.current
    if (!element) return
    const watch = new ResizeObserver(() => {
      if (!moved.current) frame()
    })
    watch.observe(element)
    return () => watch.disconnect()
  }, [fit, frame, onFit])
  const fresh = useRef(true)
  useEffect(() => {
    if (!fresh.current || !laid.nodes.some(node => node.id === picked)) return
    fresh.current = false
    if ((box.current?.clientWidth ?? 0) < 500 && !moved.current) centre(picked)
  }, [picked, laid, centre])
  useEffect(() => {
    if (follow?.on && follow.node) centre(follow.node)
  }, [follow?.on, follow?.node, centre])
  const bring = useCallback(
    (id: string) => {
      const view = flow.current?.getViewport()
      const node = drawn.current.nodes.find(one => one.id === drawn.current.of(id))
      const element = box.current
      if (!node || !element || !view) return
      const [x, y] = [node.x * view.zoom + view.x, node.y * view.zoom + view.y]
      const [right, below] = [x + node.width * view.zoom, y + node.height * view.zoom]
      if (view.zoom >= FAR && x >= 0 && y >= 0 && right <= element.clientWidth && below <= element.clientHeight) return
      moved.current = true
      centre(id, Math.max(FAR, view.zoom))
    },
    [centre],
  )
  const brought = useRef(shown)
  brought.current = shown
  useEffect(() => {
    if (!shown) return
    reveal(shown.node)
    bring(shown.node)
  }, [shown, reveal, bring])
  const fill = () => void (document.fullscreenElement ? document.exitFullscreen() : box.current?.requestFullscreen())
  const zoom = (by: number) => {
    const element = box.current
    const view = flow.current?.getViewport()
    if (!element || !view) return
    moved.current = true
    const next = Math.min(1.5, Math.max(0.1, view.zoom * by))
    const [x, y] = [element.clientWidth / 2, element.clientHeight / 2]
    set({ zoom: next, x: x - ((x - view.x) * next) / view.zoom, y: y - ((y - view.y) * next) / view.zoom })
  }
  return (
    <div className="graph" ref={box}>
      <GraphHands.Provider value={hands}>
        <ReactFlow
          nodes={nodes}
          nodeTypes={TYPES}
          onInit={instance => {
            flow.current = instance
            frame()
            if (brought.current) bring(brought.current.node)
          }}
          onMove={(event, view) => {
            if (event) moved.current = true
            far(view)
          }}
          minZoom={0.1}
          maxZoom={1.5}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          panOnScroll
          zoomOnDoubleClick={false}
          deleteKeyCode={null}
          proOptions={{ hideAttribution: true }}
          aria-label={t('graph')}
        >
          <ViewportPortal>
            <Edges graph={graph} states={states} />
          </ViewportPortal>
          <MiniMap
            graph={graph}
            states={states}
            fit={fit}
            to={view => {
              moved.current = true
              set(view)
            }}
          />
        </ReactFlow>
      </GraphHands.Provider>
      <div className="tools">
        {failure && (
          <button
            type="button"
            className="btn icon small"
            aria-label={t('graph.failed')}
            title={t('graph.failed')}
            onClick={() => {
              reveal(failure)
              moved.current = true
              centre(failure, Math.max(FAR, flow.current?.getZoom() ?? 1))
            }}
          >
            <Icon name="failed" />
          </button>
        )}
        {follow && (
          <button
            type="button"
            className="btn icon small"
            aria-label={t('graph.follow')}
            title={t('graph.follow')}
            aria-pressed={follow.on}
            onClick={() => follow.set(!follow.on)}
          >
            <Icon name="follow" />
          </button>
        )}
        <button type="button" className="btn icon small" aria-label={t('graph.smaller')} onClick={() => zoom(0.75)}>
          <Icon name="minus" />
        </button>
        <button type="button" className="btn icon small" aria-label={t('graph.larger')} onClick={() => zoom(1.25)}>
          <Icon name="plus" />
        </button>
        <button type="button" className="btn icon small" aria-label={t('graph.fit')} onClick={fit}>
          <Icon name="fit" />
        </button>
        {document.fullscreenEnabled && (
          <button type="button" className="btn icon small" aria-label={t('graph.full')} onClick={fill}>
            <Icon name="expand" />
          </button>
        )}
      </div>
    </div>
  )
}

function Edges({ graph, states }: { graph: Folded; states: GraphStates }) {
  const nodes = useMemo(() => new Map(graph.nodes.map(node => [node.id, node])), [graph])
  // Names are no smaller on the screen than 11 pixels; they are placed again when their size has changed by a fifth.
  const size = useStore(
    ({ transform }) => 13 * 1.2 ** Math.ceil(Math.log(Math.max(1, 11 / transform[2] / 13)) / Math.log(1.2)),
  )
  const named = useMemo(() => labels(graph, size), [graph, size])
  return (
    <>
      {[false, true].map(over => (
        <svg key={String(over)} className={over ? 'edges over' : 'edges'} aria-hidden="true">
          {graph.edges
            .filter(edge => !!edge.over === over)
            .map(edge => (
              <Edge key={edge.id} edge={edge} path={path(edge, nodes)} states={states} />
            ))}
          {!over &&
            named.map(({ id, text, x, y }) => (
              <text key={id} className="branch" x={x} y={y}>
                {text}
              </text>
            ))}
        </svg>
      ))}
    </>
  )
}

function Edge({ edge, path: way, states }: { edge: GraphEdge; path: string; states: GraphStates }) {
  const times = useEdgeTimes(states, edge.id)
  return (
    <path className={`edge ${useEdgeLook(states, edge.id)}`} d={way}>
      {times && <title>{[labelOf(edge), times].filter(Boolean).join(': ')}</title>}
    </path>
  )
}
