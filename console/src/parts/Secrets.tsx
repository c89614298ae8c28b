// Secrets that open something: a new one is shown once, and what is in use can be revoked.
import { type ReactNode, useState } from 'react'
import { ago, t } from '../words/words.ts'
import { Copy } from './copy.tsx'
import { Confirm } from './Dialog.tsx'

/** A secret that is shown this one time. */
export const Once = ({ text }: { text: string }) => (
  <div className="once" role="status">
    <p className="dim">{t('once')}</p>
    <div className="cmd">
      <code className="grow cut">{text}</code>
      <Copy text={text} label={t('copy')} />
    </div>
  </div>
)

type Secret = { readonly id: string; readonly used_at?: number | null }

/** A row each, with its own cells, when it was used, and a button that revokes it: at once, if no `text` asks before. */
export function Revocable<T extends Secret>(props: {
  list: readonly T[]
  name: (one: T) => string
  cells: (one: T) => ReactNode
  revoke: (one: T) => void
  text?: string
}) {
  const [gone, setGone] = useState<T | null>(null)
  const { name, revoke, text } = props
  const label = (one: T) => t('keys.revoke_one', { name: name(one) })
  return (
    <>
      <table className="auto">
        <tbody>
          {props.list.map(one => (
            <tr key={one.id}>
              {props.cells(one)}
              <td className="dim hide">{one.used_at ? t('keys.used', { ago: ago(one.used_at) }) : t('keys.unused')}</td>
              <td className="right">
                <button
                  type="button"
                  className="btn plain small bad"
                  aria-label={label(one)}
                  onClick={() => (text ? setGone(one) : revoke(one))}
                >
                  {t('keys.revoke')}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {gone && text && (
        <Confirm
          label={label(gone)}
          text={text}
          action={t('keys.revoke')}
          close={() => setGone(null)}
          act={() => revoke(gone)}
        />
      )}
    </>
  )
}
