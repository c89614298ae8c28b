import { createElement } from 'react'
import { t, type Word } from '../words/words.ts'
import { ICONS } from './icons.ts'

/** An icon by name; of a node type that has none, the one of code. Never read aloud: a word stands beside it. */
export function Icon({ name, small, className = '' }: { name: string; small?: boolean; className?: string }) {
  const shapes = ICONS[name] ?? ICONS.code ?? []
  return (
    <svg className={`i ${small ? 's14 ' : ''}${className}`} viewBox="0 0 16 16" aria-hidden="true">
      {shapes.map(([tag, attributes], index) => createElement(tag, { key: index, ...attributes }))}
    </svg>
  )
}

export const Kind = ({ type }: { type: string }) => (
  <span className="nodekind">
    <Icon name={type} />
  </span>
)

const NAMES: Record<string, string> = { 'partial-succeeded': 'partial', parked: 'waiting' }
/** The class and icon of a status. */
export const look = (status: string): string => NAMES[status] ?? status
export const statusWord = (status: string): string => t(`status.${look(status)}` as Word)

/** A status as icon and word. */
export const Status = ({ status, word }: { status: string; word?: string }) => (
  <span className={`st word st-${look(status)}`}>
    <Icon name={look(status)} />
    {word ?? statusWord(status)}
  </span>
)

/** A status as icon; its word is in the title, and read aloud. */
export const Mark = ({ status, small }: { status: string; small?: boolean }) => (
  <span className={`st st-${look(status)}`} title={statusWord(status)}>
    <Icon name={look(status)} small={small ?? false} />
    <span className="sr">{statusWord(status)}</span>
  </span>
)

export const Pill = ({ status }: { status: string }) => (
  <span className={`pill st-${look(status)}`}>
    <Icon name={look(status)} className={`st-${look(status)}`} />
    {statusWord(status)}
  </span>
)

type Look = { type?: string; value?: string; background?: string } | null | undefined
/** The icon of an app. An address is not followed: nothing is loaded from elsewhere. */
export function AppIcon({ icon, size = '' }: { icon: Look; size?: '' | 'big' | 'tiny' }) {
  // An emoji by its name, as old files have it, has no picture here.
  const text = icon?.value && !/[/\w]/.test(icon.value) && icon.value.length <= 8 ? icon.value : ''
  const colour = /^#[0-9a-f]{3,8}$/i.test(icon?.background ?? '') ? icon?.background : undefined
  return (
    <span className={`emoji ${size}`} style={{ background: (text && colour) || 'var(--sunken)' }} aria-hidden="true">
      {text || <Icon name="flows" small />}
    </span>
  )
}

export const Logo = () => (
  <svg viewBox="0 0 20 20" aria-hidden="true">
    <rect width="20" height="20" rx="5.5" fill="var(--ink)" />
    <path
      d="M5 10h2.5l2-4.500 2 9 1.700-4.500H15"
      fill="none"
      stroke="var(--panel)"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
  </svg>
)
