import type { NodeProps } from '@xyflow/react'
import { createContext, useContext } from 'react'
import { Icon, Kind, Mark } from '../parts/Icon.tsx'
import { visible } from '../words/visible.ts'
import { t, tn } from '../words/words.ts'
import { detailOf } from './detail.ts'
import type { DrawnNode, StepNodeOf } from './fromApi.ts'
import { type GraphStates, useNodeLook } from './states.ts'

export type Hands = {
  readonly states: GraphStates
  readonly picked: string
  readonly pick: (id: string) => void
  /** The node that stands for what is chosen: a folded container, of what is in it. */
  readonly within: string
  /** Folds a container, or unfolds it. */
  readonly toggle: (id: string) => void
  /** Brings the upper left of a node to where it is seen. */
  readonly see: (id: string) => void
}
export const GraphHands = createContext<Hands | null>(null)

const ROUND: Readonly<Record<string, string>> = { f: 'failed', r: 'running', q: 'queued', s: 'succeeded' }

/** A node of the graph. Steps are its form for keyboards: here it is out of the tab order. */
export function StepNode({ data }: NodeProps<StepNodeOf>) {
  const { states, picked, within, pick } = useContext(GraphHands) as Hands
  const { node, box } = data
  const inside = node.inside === undefined ? '' : tn('graph.inside', node.inside)
  const look = useNodeLook(states, node.id)
  const status = look?.status
  const marks = look?.marks ?? []
  const marked = `${inside && 'folded'} ${within !== picked && within === node.id ? 'holds' : ''}`
  const step = (
    <button
      type="button"
      className={`node ${box ? 'box' : ''} ${marked} ${status ? `st-${status}` : ''} ${look?.frame ?? ''}`}
      data-st={status}
      tabIndex={-1}
      title={[visible(look?.title ?? (node.title || node.type)), inside, ...marks.map(mark => mark.word)]
        .filter(Boolean)
        .join(' · ')}
      aria-pressed={picked === node.id}
      onClick={() => pick(node.id)}
    >
      <span className="t">
        <Kind type={node.type} />
        <span className="cut" dir="auto">
          {visible(node.title || node.type)}
        </span>
        {box && <span className="sub num">{look?.sub}</span>}
        <span className="state">
          {inside && status !== 'failed' && look?.rounds?.includes('f') && <Mark status="failed" />}
          {marks.length === 0 && status && status !== 'queued' && <Mark status={status} />}
          {marks.map(({ sign, icon, word }) => (
            <span key={word} className={`st ${icon ? `st-${icon}` : ''}`}>
              {sign && <b aria-hidden="true">{sign}</b>}
              {icon && <Icon name={icon} />}
              <span className="sr">{word}</span>
            </span>
          ))}
        </span>
      </span>
      {!box && (inside || node.height > 60) && (
        <span className="d">
          <span className="cut grow">{inside || detailOf(node)}</span>
          <span className="sub num">{look?.sub}</span>
        </span>
      )}
      {(box || inside) && (
        <span className="rounds below">
          {look?.rounds && [...look.rounds].map((round, index) => <i key={index} className={`st-${ROUND[round]}`} />)}
        </span>
      )}
    </button>
  )
  if (!box && !inside) return step
  return (
    <>
      {step}
      <FoldButton node={node} />
    </>
  )
}

/** Folds a container and unfolds it; unlike nodes it is in the tab order, as steps do not have it. */
function FoldButton({ node }: { node: DrawnNode }) {
  const { toggle, see } = useContext(GraphHands) as Hands
  const label = t(node.inside === undefined ? 'graph.fold' : 'graph.unfold', { name: visible(node.title || node.type) })
  return (
    <button
      type="button"
      className="fold"
      aria-label={label}
      title={label}
      onClick={() => toggle(node.id)}
      onFocus={event => event.currentTarget.matches(':focus-visible') && see(node.id)}
    >
      <Icon name={node.inside === undefined ? 'down' : 'chev'} />
    </button>
  )
}

export const NoteNode = ({ data }: NodeProps<StepNodeOf>) => (
  <div className="node note">{visible(data.node.note ?? data.node.title)}</div>
)

export const DotNode = () => (
  <div className="node dot" aria-hidden="true">
    <Icon name="start" />
  </div>
)
