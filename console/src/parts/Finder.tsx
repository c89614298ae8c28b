// A dialog with a field and what is found by it: the field keeps the focus, arrows choose, Enter takes.
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { t } from '../words/words.ts'
import { Dialog } from './Dialog.tsx'
import { Icon } from './Icon.tsx'

export type Hit = {
  readonly id: string
  readonly icon?: string | undefined
  readonly text: string
  readonly kind?: string
  readonly act: () => void
}

type Props = {
  label: string
  field: string
  hint: string
  text: string
  setText: (text: string) => void
  hits: readonly Hit[]
  /** The one that Enter takes before an arrow was pressed or a text typed. */
  first?: number
  close: () => void
}

export function Finder({ label, field, hint, text, setText, hits, first = 0, close }: Props) {
  const [chosen, setChosen] = useState(first)
  const input = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLUListElement>(null)
  const at = Math.min(chosen, hits.length - 1)
  useEffect(() => input.current?.focus(), [])
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: 'nearest' })
  }, [at])
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setChosen((at + 1) % hits.length)
    else if (event.key === 'ArrowUp') setChosen((at - 1 + hits.length) % hits.length)
    else if (event.key === 'Enter' && !event.nativeEvent.isComposing) hits[at]?.act()
    else return
    event.preventDefault()
  }
  return (
    <Dialog label={label} close={close} className="palette">
      <input
        ref={input}
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls="hits"
        aria-activedescendant={hits[at] ? `hit-${at}` : undefined}
        aria-label={field}
        placeholder={hint}
        value={text}
        onChange={event => {
          setText(event.target.value)
          setChosen(0)
        }}
        onKeyDown={keys}
      />
      <ul id="hits" role="listbox" aria-label={t('jump.hits')} ref={list}>
        {hits.map((hit, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's
          <li
            key={hit.id}
            id={`hit-${index}`}
            role="option"
            aria-selected={index === at}
            onClick={hit.act}
            tabIndex={-1}
          >
            {hit.icon && <Icon name={hit.icon} />}
            <span className="grow cut" dir="auto">
              {hit.text}
            </span>
            <span className="faint">{hit.kind}</span>
          </li>
        ))}
      </ul>
      {hits.length === 0 && <p className="in dim">{t('jump.none')}</p>}
      <div className="foot">
        <span>
          <kbd>↑</kbd>
          <kbd>↓</kbd> {t('jump.choose')}
        </span>
        <span>
          <kbd>Enter</kbd> {t('jump.go')}
        </span>
        <span>
          <kbd>Esc</kbd> {t('jump.close')}
        </span>
      </div>
    </Dialog>
  )
}
