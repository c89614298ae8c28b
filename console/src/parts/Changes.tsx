// What is different in two versions, or in two runs.
import { diffWordsWithSpace } from 'diff'
import { useMemo } from 'react'
import { written } from '../api/json.ts'
import type { Diff, Field } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { t, tn } from '../words/words.ts'
import { Empty } from './Panel.tsx'
import '../../styles/diff.css'

const SIGN = { added: '+', removed: '−', changed: '~' } as const
export type Change = keyof typeof SIGN

/** The sign of a change, read aloud as a word. */
export const Sign = ({ change }: { change: Change }) => (
  <span className="sg">
    <span aria-hidden="true">{SIGN[change]}</span>
    <span className="sr">{t(`change.${change}`)}</span>
  </span>
)

export type Changed = { title: string; beside: string; change: Change; fields: readonly Field[] }

/** Something that is new, gone, or another one, with the values that are others. */
export const ChangedRow = ({ one }: { one: Changed }) => (
  <div className={`diffrow ${one.change}`}>
    <Sign change={one.change} />
    <div>
      {one.title && <b>{visible(one.title)}</b>} <span className="dim">{one.beside}</span>
      {one.fields.map(field => (
        <FieldChange key={field.path} field={field} />
      ))}
    </div>
  </div>
)

const text = (value: unknown): string => visible(typeof value === 'string' ? value : written(value, 1)).slice(0, 4000)
const isThere = (value: unknown) => value !== undefined && value !== null
/** Words of any script. */
const words = new Intl.Segmenter(undefined, { granularity: 'word' })

function FieldChange({ field }: { field: Field }) {
  const { before, after } = field
  const parts = useMemo(
    () =>
      isThere(before) && isThere(after)
        ? diffWordsWithSpace(text(before), text(after), { intlSegmenter: words })
        : undefined,
    [before, after],
  )
  return (
    <div>
      <span className="dim">{field.path}</span>
      <div className="mono values">
        {isThere(before) && (
          <del>
            {parts?.map((part, n) => (part.added ? null : part.removed ? <b key={n}>{part.value}</b> : part.value)) ??
              text(before)}
          </del>
        )}{' '}
        {isThere(after) && (
          <ins>
            {parts?.map((part, n) => (part.removed ? null : part.added ? <b key={n}>{part.value}</b> : part.value)) ??
              text(after)}
          </ins>
        )}
      </div>
    </div>
  )
}

const ORDER = ['added', 'removed', 'changed'] as const

/** What changed between two versions. */
export function Changes({ diff }: { diff: Diff }) {
  const counts = ORDER.map(change => [change, diff.nodes.filter(node => node.change === change).length] as const)
  if (diff.nodes.length + diff.edges.length + diff.features.length === 0) return <Empty>{t('compare.same')}</Empty>
  return (
    <>
      <p className="diffrow faint">
        <span />
        <span>
          {counts
            .filter(([, n]) => n > 0)
            .map(([change, n]) => tn(`compare.${change}`, n))
            .join(', ')}
        </span>
      </p>
      {ORDER.flatMap(change => diff.nodes.filter(node => node.change === change)).map(node => (
        <ChangedRow key={node.id} one={{ ...node, beside: node.type }} />
      ))}
      {diff.edges.map(edge => (
        <div key={`${edge.source} ${edge.handle} ${edge.target} ${edge.change}`} className={`diffrow ${edge.change}`}>
          <Sign change={edge.change} />
          <div className="mono">{`${edge.source} → ${edge.target}${edge.handle && edge.handle !== 'source' ? ` (${edge.handle})` : ''}`}</div>
        </div>
      ))}
      {diff.features.map(field => (
        <ChangedRow key={field.path} one={{ title: '', beside: '', change: 'changed', fields: [field] }} />
      ))}
    </>
  )
}
