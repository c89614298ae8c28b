// What is different in two versions, or in two runs.
import { diffWordsWithSpace } from 'diff'
import { type ReactNode, useMemo } from 'react'
import { written } from '../api/json.ts'
import type { Field } from '../api/types.ts'
import { type Change, SIGN } from '../graph/union.ts'
import { visible } from '../words/visible.ts'
import { t } from '../words/words.ts'
import { Empty, Row } from './Panel.tsx'
import '../../styles/diff.css'

/** The sign of a change, read aloud as a word. */
const Sign = ({ change }: { change: Change }) => (
  <span className="sg">
    <span aria-hidden="true">{SIGN[change]}</span>
    <span className="sr">{t(`change.${change}`)}</span>
  </span>
)

type Changed = {
  title: string
  beside?: ReactNode
  change: Change
  fields?: readonly Field[]
  /** Whether it is what is looked at, and what looks at it. */
  picked?: boolean
  pick?: (() => void) | undefined
}

/** Something that is new, gone, or another one, with the values that are others. */
export function ChangedRow({ title, beside, change, fields = [], picked = false, pick }: Changed) {
  return (
    <Row className={`diffrow ${change}`} picked={picked}>
      <Sign change={change} />
      <div>
        {pick ? (
          <button type="button" className="link strong" onClick={pick}>
            {visible(title)}
          </button>
        ) : (
          title && <b>{visible(title)}</b>
        )}{' '}
        <span className="dim">{beside}</span>
        {fields.map(field => (
          <FieldChange key={field.path} field={field} />
        ))}
      </div>
    </Row>
  )
}

/** Lists of plain values are one line. */
const isFlat = (value: unknown) => Array.isArray(value) && value.every(one => typeof one !== 'object')
const text = (value: unknown): string =>
  visible(typeof value === 'string' ? value : written(value, isFlat(value) ? 0 : 1)).slice(0, 4000)
const isThere = (value: unknown) => value !== undefined && value !== null
const isWithoutValues = (field: Field) => !isThere(field.before) && !isThere(field.after)

/** Why no values are shown: whoever may not read the file learns only what changed. */
export const WhyNoValues = ({ fields }: { fields: readonly Field[] }) =>
  fields.length > 0 && fields.every(isWithoutValues) && <Empty>{t('compare.no_values')}</Empty>

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
      {!isWithoutValues(field) && (
        <div className="mono values">
          {isThere(before) && (
            <del>
              {parts?.map((part, n) => (part.added ? null : part.removed ? <b key={n}>{part.value}</b> : part.value)) ??
                text(before)}
            </del>
          )}
          {isThere(before) && isThere(after) && ' '}
          {isThere(after) && (
            <ins>
              {parts?.map((part, n) => (part.removed ? null : part.added ? <b key={n}>{part.value}</b> : part.value)) ??
                text(after)}
            </ins>
          )}
        </div>
      )}
    </div>
  )
}
