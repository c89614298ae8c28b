import { type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react'
import { useAddress } from '../../app/address.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Panel } from '../../parts/Panel.tsx'
import { t } from '../../words/words.ts'

/** What was chosen in a list: takes the focus from its row, and gives it back when Escape or its cross closes it. */
export function Chosen(props: { id: string; title: string; children: ReactNode; below?: ReactNode }) {
  const [, change] = useAddress()
  const box = useRef<HTMLElement>(null)
  useEffect(() => {
    if (document.activeElement?.matches('[data-row]')) box.current?.focus()
  }, [])
  const close = () => {
    document.querySelector<HTMLElement>(`[data-row="${CSS.escape(props.id)}"]`)?.focus()
    change({ trigger: undefined, delivery: undefined }, true)
  }
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && !(event.target as Element).closest('dialog')) close()
  }
  return (
    <section className="colm chosen" aria-label={props.title} ref={box} tabIndex={-1} onKeyDown={keys}>
      <Panel
        title={<h2 className="cut">{props.title}</h2>}
        beside={
          <button type="button" className="btn plain icon small more" aria-label={t('close')} onClick={close}>
            <Icon name="close" small />
          </button>
        }
        plain
      >
        {props.children}
      </Panel>
      {props.below}
    </section>
  )
}

/** Facts under their names; those without a value are left out. */
export const Facts = ({ rows }: { rows: readonly (readonly [name: string, value: ReactNode])[] }) => (
  <dl className="kv in">
    {rows
      .filter(([, value]) => value !== '' && value !== null && value !== undefined)
      .map(([name, value]) => (
        <div key={name} className="pair">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
  </dl>
)
