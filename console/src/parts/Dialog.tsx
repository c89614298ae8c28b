import { type ReactNode, useEffect, useRef } from 'react'
import { t } from '../words/words.ts'
import { Icon } from './Icon.tsx'

/**
 * A dialog over the page. It is there while its parent shows it; Escape, its cross and a click beside it close it.
 * A click that began inside it does not, and none does once a text of lines was edited.
 */
export function Dialog(props: {
  label: string
  close: () => void
  children: ReactNode
  heading?: ReactNode
  className?: string
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const pressedBeside = useRef(false)
  const edited = useRef(false)
  useEffect(() => {
    const element = dialog.current
    const before = document.activeElement as HTMLElement | null
    element?.showModal()
    return () => {
      element?.close()
      before?.focus?.()
    }
  }, [])
  return (
    <dialog
      ref={dialog}
      className={`top ${props.className ?? ''}`}
      aria-label={props.label}
      onCancel={event => {
        // A chooser of files that is closed without one tells so, too, by the same event.
        if (event.target !== dialog.current) return
        event.preventDefault()
        props.close()
      }}
      onInput={event => {
        edited.current ||= event.target instanceof HTMLTextAreaElement
      }}
      onPointerDown={event => {
        pressedBeside.current = event.target === dialog.current
      }}
      onClick={event => {
        if (event.target === dialog.current && pressedBeside.current && !edited.current) props.close()
      }}
      // Keys of the page below would keep Escape from closing it.
      onKeyDown={event => {
        event.stopPropagation()
        // A search field would take the first Escape to empty itself.
        if (event.key !== 'Escape' || (event.target as HTMLInputElement).type !== 'search') return
        event.preventDefault()
        props.close()
      }}
    >
      {props.heading !== undefined && (
        <header className="row dialoghead">
          <h2>{props.label}</h2>
          {props.heading}
          <button type="button" className="btn plain icon small more" aria-label={t('close')} onClick={props.close}>
            <Icon name="close" small />
          </button>
        </header>
      )}
      {props.children}
    </dialog>
  )
}

/** The end of a dialog: to cancel, or to go on. */
export const Ends = ({ close, children }: { close: () => void; children: ReactNode }) => (
  <div className="row">
    <span className="grow" />
    <button type="button" className="btn" onClick={close}>
      {t('cancel')}
    </button>
    {children}
  </div>
)

/** Asks before what cannot be taken back. */
export function Confirm(props: { label: string; text: string; action: string; act: () => void; close: () => void }) {
  return (
    <Dialog label={props.label} close={props.close} heading={null}>
      <div className="in stack dialogbody">
        <p>{props.text}</p>
        <Ends close={props.close}>
          <button
            type="button"
            className="btn bad"
            onClick={() => {
              props.close()
              props.act()
            }}
          >
            {props.action}
          </button>
        </Ends>
      </div>
    </Dialog>
  )
}
