import { type ReactNode, useState } from 'react'
import { count, t } from '../words/words.ts'
import { isKept, Kept, keptIn } from './Kept.tsx'

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
        <span className="k">{name}</span>:{' '}
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
      <span className="s">
        "<LongText text={value} />"
      </span>
    )
  return <span className={typeof value === 'number' ? 'n' : 'w'}>{String(value)}</span>
}

/** A text, cut where it is very long. Characters that cannot be seen are shown; direction is kept to the text. */
export function LongText({ text }: { text: string }) {
  const [all, setAll] = useState(false)
  const cut = !all && text.length > LONG
  return (
    <>
      <bdi>{visible(cut ? text.slice(0, LONG) : text)}</bdi>
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

/** Control characters and marks that turn the direction of text, as pictures or codes. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, character => {
    const code = character.charCodeAt(0)
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    return code === 0x7f ? '␡' : `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
  })
}
