// A choice of one: a list of few; of many, a button behind which a part of the name finds it.
import { type KeyboardEvent, useRef, useState } from 'react'
import type { App } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { t } from '../words/words.ts'
import { Finder } from './Finder.tsx'

export type Option = readonly [value: string, text: string]
/** Options above which they are searched, and that are shown at once. */
const FEW = 12
const SHOWN = 200

type Props = {
  label: string
  value: string
  options: readonly Option[]
  set: (value: string) => void
  className?: string
  id?: string
}

export function Chooser({ label, value, options, set, className = '', id }: Props) {
  const [sought, setSought] = useState<string>()
  if (options.length <= FEW)
    return (
      <select
        {...(id ? { id } : { 'aria-label': label })}
        className={className}
        value={value}
        onChange={event => set(event.target.value)}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    )
  const text = options.find(([one]) => one === value)?.[1] ?? '–'
  const found = options.filter(([, name]) => name.toLowerCase().includes((sought ?? '').trim().toLowerCase()))
  const hits = found.slice(0, SHOWN).map(([one, name]) => ({
    id: one,
    text: name,
    kind: one === value ? '✓' : '',
    act: () => {
      setSought(undefined)
      set(one)
    },
  }))
  // A key that writes opens it with that letter, as it moves a list.
  const keys = (event: KeyboardEvent) => {
    const letter = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey
    if (!letter && event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    event.preventDefault()
    event.stopPropagation()
    setSought(letter ? event.key : '')
  }
  return (
    <>
      <button
        type="button"
        id={id}
        className={`chooser ${className}`}
        aria-label={`${label}: ${text}`}
        aria-haspopup="dialog"
        onClick={() => setSought('')}
        onKeyDown={keys}
      >
        <span className="cut" dir="auto">
          {text}
        </span>
      </button>
      {sought !== undefined && (
        <Finder
          label={label}
          field={label}
          hint={t('choose.hint')}
          text={sought}
          setText={setSought}
          hits={hits}
          first={
            sought
              ? 0
              : Math.max(
                  0,
                  found.slice(0, SHOWN).findIndex(([one]) => one === value),
                )
          }
          close={() => setSought(undefined)}
        />
      )}
    </>
  )
}

/** Apps by use, as it was when they came first: no entry moves. New ones are the last. */
export function useByUse(apps: readonly App[]): readonly App[] {
  const order = useRef<readonly string[]>([])
  if (order.current.length === 0)
    order.current = apps
      .toSorted((one, other) => other.day.runs - one.day.runs || (other.last_at ?? 0) - (one.last_at ?? 0))
      .map(one => one.id)
  const place = ({ id }: App) => order.current.indexOf(id) + 1 || Number.MAX_VALUE
  return apps.toSorted((one, other) => place(one) - place(other))
}

/** A choice of one workflow, those that run most first. `any`: what none of them is called. */
export function AppChooser(props: {
  label: string
  any?: string
  apps: readonly App[]
  value: string
  set: (value: string) => void
  className?: string
}) {
  const { any, apps, ...rest } = props
  const named = useByUse(apps).map(
    app => [app.id, `${app.icon?.type === 'emoji' ? `${app.icon.value} ` : ''}${visible(app.name)}`] as const,
  )
  return <Chooser {...rest} options={any === undefined ? named : [['', any], ...named]} />
}
