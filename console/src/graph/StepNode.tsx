import type { NodeProps } from '@xyflow/react'
import { createContext, useContext } from 'react'
import { Icon, Kind, Mark } from '../parts/Icon.tsx'
import { visible } from '../words/visible.ts'
import { detailOf } from './detail.ts'
import type { StepNodeOf } from './fromApi.ts'
import { type GraphStates, useNodeLook } from './states.ts'

export type Hands = { readonly states: GraphStates; readonly picked: string; readonly pick: (id: string) => void }
export const GraphHands = createContext<Hands | null>(null)

const ROUND: Readonly<Record<string, string>> = { f: 'failed', r: 'running', q: 'queued', s: 'succeeded' }

/** A node of the graph. Steps are its form for keyboards: here it is out of the tab order. */
export function StepNode({ data }: NodeProps<StepNodeOf>) {
  const { states, picked, pick } = useContext(GraphHands) as Hands
  const { node, box } = data
  const look = useNodeLook(states, node.id)
  const status = look?.status
  return (
    <button
      type="button"
      className={`node ${box ? 'box' : ''} ${status ? `st-${status}` : ''}`}
      data-st={status}
      tabIndex={-1}
      title={visible(look?.title ?? (node.title || node.type))}
      aria-pressed={picked === node.id}
      onClick={() => pick(node.id)}
    >
      <span className="t">
        <Kind type={node.type} />
        <span className="cut" dir="auto">
          {visible(node.title || node.type)}
        </span>
        {box && <span className="sub num">{look?.sub}</span>}
        <span className="state">{status && status !== 'queued' && <Mark status={status} />}</span>
      </span>
      {box ? (
        <span className="rounds below">
          {look?.rounds && [...look.rounds].map((round, index) => <i key={index} className={`st-${ROUND[round]}`} />)}
        </span>
      ) : node.height > 60 ? (
        <span className="d">
          <span className="cut grow">{detailOf(node)}</span>
          <span className="sub num">{look?.sub}</span>
        </span>
      ) : null}
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
