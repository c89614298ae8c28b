import { type ReactNode, useState } from 'react'
import { visible } from '../words/visible.ts'
import { count, t } from '../words/words.ts'
import { isKept, Kept, keptIn } from './Kept.tsx'
import { Pieces } from './Pieces.tsx'

const FIRST = 20
/** Text beyond this many characters is cut until all of it is asked for. */
const LONG = 2000

/** A value as a tree: open down to the second level, long lists and texts cut. All of it is text. */
export function Json({ value }: { value: unknown }) {
  return (
    <div className="json">
      <Entry value={value} depth={0} />
    </div>
  )
}

function Entry({ name, value, depth }: { name?: string; value: unknown; depth: number }) {
  const [shown, setShown] = useState(FIRST)
  const [open, setOpen] = useState(depth < 2 || keptIn(value).length > 0)
  const key: ReactNode =
    name === undefined ? null : (
      <>
        <bdi className="k">{visible(name)}</bdi>:{' '}
      </>
    )
  if (value === null || typeof value !== 'object') {
    return (
      <div className="leaf">
        {key}
        <Scalar value={value} />
      </div>
    )
  }
  if (isKept(value)) {
    return (
      <div className="leaf">
        {key}
        <Kept file={value} />
      </div>
    )
  }
  const list = Array.isArray(value)
  const entries = Object.entries(value)
  if (entries.length === 0) {
    return (
      <div className="leaf">
        {key}
        {list ? '[]' : '{}'}
      </div>
    )
  }
  return (
    <details open={open} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        {key}
        <span className="faint">{list ? `[ ${count(entries.length)} ]` : `{ ${count(entries.length)} }`}</span>
      </summary>
      {open && (
        <div className="kids">
          {entries.slice(0, shown).map(([inner, item]) => (
            <Entry key={inner} name={inner} value={item} depth={depth + 1} />
          ))}
          {entries.length > shown && (
            <button type="button" className="link" onClick={() => setShown(shown + 200)}>
              {t('json.more', { n: count(entries.length - shown) })}
            </button>
          )}
        </div>
      )}
    </details>
  )
}

function Scalar({ value }: { value: unknown }) {
  if (typeof value === 'string')
    return (
      <span className="s lines">
        "<LongText text={value} />"
      </span>
    )
  return <span className={typeof value === 'number' || typeof value === 'bigint' ? 'n' : 'w'}>{String(value)}</span>
}

/** A text, cut where it is very long. Characters that cannot be seen are shown; direction is kept to the text. */
export function LongText({ text }: { text: string }) {
  const [all, setAll] = useState(false)
  const cut = !all && text.length > LONG
  return (
    <>
      <bdi>{cut ? visible(text.slice(0, LONG)) : <Pieces text={visible(text)} />}</bdi>
      {cut && (
        <>
          …{' '}
          <button type="button" className="link" onClick={() => setAll(true)}>
            {t('show_all', { size: count(text.length) })}
          </button>
        </>
      )}
    </>
  )
}
