import { useEffect } from 'react'
import { base } from '../api/client.ts'
import { look } from '../parts/Icon.tsx'

const SIGNS: Readonly<Record<string, string>> = {
  succeeded: '✓',
  failed: '✕',
  partial: '⚠',
  paused: '◔',
  running: '●',
  stopped: '■',
  queued: '○',
  waiting: '○',
}
const COLOURS: Readonly<Record<string, string>> = {
  succeeded: '#1c7346',
  failed: '#bb2d26',
  partial: '#b98427',
  paused: '#8561d0',
  running: '#1f5fd1',
  stopped: '#6f6e68',
}

/** The title of the page; with a status, that too, and in the icon of the page. */
export function useTitle(title: string, status?: string): void {
  const sign = status ? SIGNS[look(status)] : undefined
  const colour = status ? COLOURS[look(status)] : undefined
  useEffect(() => {
    document.title = `${sign ? `${sign} ` : ''}${title ? `${title} · ` : ''}Jikko`
  }, [title, sign])
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
    if (!link) return
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><rect width="20" height="20" rx="5.5" fill="${colour}"/><path d="M5 10h2.500l2-4.500 2 9 1.700-4.500H15" fill="none" stroke="#fff" stroke-width="1.700"/></svg>`
    link.href = colour ? `data:image/svg+xml,${encodeURIComponent(svg)}` : `${base}favicon.svg`
  }, [colour])
}
