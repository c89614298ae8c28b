import { type KeyboardEvent, type ReactNode, useId, useRef } from 'react'

export type Tab = { readonly id: string; readonly label: string; readonly badge?: string }

/** Tabs with one panel: one tab stop, arrows, Home and End choose. The parent keeps which is chosen. */
export function Tabs(props: {
  label: string
  tabs: readonly Tab[]
  chosen: string
  choose: (id: string) => void
  children: ReactNode
  panelClass?: string
  /** What stands at the end of the row of tabs. */
  beside?: ReactNode
}) {
  const { tabs, chosen, choose } = props
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  const move = (event: KeyboardEvent) => {
    const at = tabs.findIndex(tab => tab.id === chosen)
    const next =
      event.key === 'ArrowRight'
        ? (at + 1) % tabs.length
        : event.key === 'ArrowLeft'
          ? (at - 1 + tabs.length) % tabs.length
          : event.key === 'Home'
            ? 0
            : event.key === 'End'
              ? tabs.length - 1
              : -1
    const tab = tabs[next]
    if (!tab) return
    event.preventDefault()
    choose(tab.id)
    list.current?.querySelector<HTMLElement>(`[data-tab="${tab.id}"]`)?.focus()
  }
  return (
    <>
      <div className="tabrow">
        <div className="tabs" role="tablist" aria-label={props.label} ref={list} onKeyDown={move}>
          {tabs.map(tab => (
            <button
              key={tab.id}
              type="button"
              role="tab"
              id={`${id}-${tab.id}`}
              data-tab={tab.id}
              aria-selected={tab.id === chosen}
              aria-controls={`${id}-panel`}
              tabIndex={tab.id === chosen ? 0 : -1}
              onClick={() => choose(tab.id)}
            >
              {tab.label}
              {tab.badge && <span className="badge">{tab.badge}</span>}
            </button>
          ))}
        </div>
        {props.beside}
      </div>
      <div
        role="tabpanel"
        id={`${id}-panel`}
        aria-labelledby={`${id}-${chosen}`}
        className={props.panelClass ?? 'body'}
        tabIndex={0}
      >
        {props.children}
      </div>
    </>
  )
}
