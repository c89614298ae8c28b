// What is different in two versions, or in two runs.
import { written } from '../api/json.ts'
import type { Field } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { t } from '../words/words.ts'
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

const FieldChange = ({ field }: { field: Field }) => (
  <div>
    <span className="dim">{field.path}</span>
    <div className="mono values">
      {field.before !== undefined && field.before !== null && <del>{text(field.before)}</del>}{' '}
      {field.after !== undefined && field.after !== null && <ins>{text(field.after)}</ins>}
    </div>
  </div>
)
