import { useEffect, useState } from 'react'
import { t } from '../words/words.ts'
import { Icon } from './Icon.tsx'

/** A button that copies a text, and says that it did. */
export function Copy({
  text,
  label,
  icon = 'copy',
  small = true,
  words = false,
}: {
  text: string | (() => string)
  label: string
  icon?: string
  small?: boolean
  /** Its label stands beside the icon. */
  words?: boolean
}) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 1500)
    return () => clearTimeout(timer)
  }, [done])
  const copy = async () => {
    const value = typeof text === 'string' ? text : text()
    try {
      await navigator.clipboard.writeText(value)
    } catch {
      // Without https a browser has no clipboard for pages: the old way.
      const area = document.createElement('textarea')
      area.value = value
      document.body.append(area)
      area.select()
      document.execCommand('copy')
      area.remove()
    }
    setDone(true)
  }
  return (
    <button
      type="button"
      className={`btn ${words ? '' : 'plain icon'} ${small ? 'small' : ''}`}
      aria-label={done ? t('copied') : label}
      title={words ? undefined : done ? t('copied') : label}
      onClick={() => void copy()}
    >
      <Icon name={done ? 'check' : icon} small />
      {words && (done ? t('copied') : label)}
    </button>
  )
}
