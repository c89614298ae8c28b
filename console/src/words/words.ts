// Every word of the page, in the language that is chosen: no other is loaded. The tables have the same keys, but for
// forms for one: `en.ts` says which.
import { useSyncExternalStore } from 'react'
import { store, stored } from '../app/storage.ts'
import type { en } from './en.ts'

export type Word = keyof typeof en
export type Language = 'en' | 'ja'
/** Words that depend on a number. */
export type Counted = { [K in Word]: K extends `${infer Name}.other` ? Name : never }[Word]
type Table = Readonly<Partial<Record<Word, string>>>

const PAGE: Readonly<Record<Language, () => Promise<Table>>> = {
  en: async () => (await import('./en.ts')).en,
  ja: async () => (await import('./ja.ts')).ja,
}
/** Of the server's messages, by their codes, if they are not as the server tells them: its own catalogue. */
const MESSAGES: Readonly<Record<Language, () => Promise<Readonly<Record<string, string | undefined>>>>> = {
  en: async () => ({}),
  ja: async () => (await import('../../../src/jikko/diagnostics/ja.json')).default,
}
const page: { [L in Language]?: Table } = {}
const messages: { [L in Language]?: Readonly<Record<string, string | undefined>> } = {}
let showsMessages = false
/** Loads the words of a language, which must be there before any is asked for. */
export async function load(to: Language): Promise<void> {
  page[to] ??= await PAGE[to]()
  // Without its texts, a message is told in the server's own.
  if (showsMessages) messages[to] ??= await MESSAGES[to]().catch(() => ({}))
}
/** Loads the texts of the server's messages, too, from now on: pages that show none need not wait for them. */
export function loadMessages(): Promise<void> {
  showsMessages = true
  return load(language())
}

const KEPT = 'jikko.language'
let chosen: Language | undefined
const listeners = new Set<() => void>()

function first(): Language {
  const kept = stored(KEPT)
  if (kept === 'en' || kept === 'ja') return kept
  return globalThis.navigator?.language?.toLowerCase().startsWith('ja') ? 'ja' : 'en'
}

export function language(): Language {
  chosen ??= first()
  return chosen
}

/** Chooses a language, once its words are there. */
export function setLanguage(to: Language): void {
  if (!page[to] || (showsMessages && !messages[to])) {
    void load(to).then(
      () => setLanguage(to),
      () => undefined,
    )
    return
  }
  chosen = to
  store(KEPT, to)
  for (const listener of [...listeners]) listener()
}

export const useLanguage = (): Language =>
  useSyncExternalStore(listener => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, language)

/** The text for a key, with `{name}` replaced by the value of that name. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const text = page[language()]?.[word] ?? word
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** Parts one after the other, without those that are missing. */
export const listed = (parts: readonly (string | false)[]): string => parts.filter(Boolean).join(t('list.comma'))

/** The text for a code of the server's messages; undefined where the server's own is meant. */
export const messageText = (code: string): string | undefined => messages[language()]?.[code]

/** The text for a number: `{n}` is the number as it is written in the language. */
export function tn(word: Counted, n: number, values: Record<string, string | number> = {}): string {
  const one = `${word}.one` as Word
  const isOne = new Intl.PluralRules(language()).select(n) === 'one' && page[language()]?.[one] !== undefined
  return t(isOne ? one : (`${word}.other` as Word), { n: count(n), ...values })
}

const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>()
function numbers(options: Intl.NumberFormatOptions = {}): Intl.NumberFormat {
  const key = `n${language()}${JSON.stringify(options)}`
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(language(), options))
  return formats.get(key) as Intl.NumberFormat
}
function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${language()}${JSON.stringify(options)}`
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language(), options))
  return formats.get(key) as Intl.DateTimeFormat
}

export const count = (n: number): string => numbers().format(n)
/** A number with so many digits behind the point. */
export const number = (n: number, digits: number): string =>
  numbers({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n)
export const percent = (share: number): string =>
  numbers({
    style: 'percent',
    maximumFractionDigits: share === 1 || share === 0 ? 0 : 1,
    minimumFractionDigits: share === 1 || share === 0 ? 0 : 1,
  }).format(share)

/** Seconds as `210 ms`, `4.21 s`, `2 m 56 s`, `3 h 05 m`, `2 d 4 h`; nothing for what is not known. */
export function duration(seconds: number | undefined | null): string {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return ''
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0')
  if (seconds < 0.0005) return '<1 ms'
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 59.95) return t('time.seconds', { s: seconds.toFixed(seconds < 9.995 ? 2 : 1) })
  const whole = Math.round(seconds)
  if (whole < 3600) return t('time.minutes', { m: Math.floor(whole / 60), s: two(whole % 60) })
  if (whole < 86400) return t('time.hours', { h: Math.floor(whole / 3600), m: two((whole % 3600) / 60) })
  return t('time.days', { d: Math.floor(whole / 86400), h: Math.floor((whole % 86400) / 3600) })
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }
/** The time of day with seconds; with `ms` thousandths too. */
export const clock = (at: number, ms = false): string =>
  dates(ms ? { ...CLOCK, fractionalSecondDigits: 3 } : CLOCK).format(at * 1000)
/** The date, with its year if that is another one. */
export const day = (at: number): string => dates(dateOf(at)).format(at * 1000)
const dateOf = (at: number): Intl.DateTimeFormatOptions => ({
  day: 'numeric',
  month: 'short',
  ...(new Date(at * 1000).getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' }),
})
/** Today, yesterday, or the date. */
export function dayWord(at: number, now = Date.now() / 1000): string {
  const midnight = (seconds: number) => new Date(seconds * 1000).setHours(0, 0, 0, 0)
  const days = Math.round((midnight(at) - midnight(now)) / 86_400_000)
  if (days !== 0 && days !== -1) return day(at)
  const text = new Intl.RelativeTimeFormat(language(), { numeric: 'auto' }).format(days, 'day')
  return text.charAt(0).toLocaleUpperCase(language()) + text.slice(1)
}
/** Date and time, with the zone: what a title says. */
export const moment = (at: number): string =>
  dates({ dateStyle: 'medium', timeStyle: 'long', hourCycle: 'h23' }).format(at * 1000)
/** Date and time in short. */
export const when = (at: number): string =>
  dates({ ...dateOf(at), hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at * 1000)
/** The clock of today, the date of earlier days. */
export const recent = (at: number, now = Date.now() / 1000): string => (now - at < 86_000 ? clock(at) : when(at))

export function ago(at: number, now = Date.now() / 1000): string {
  const seconds = Math.max(0, now - at)
  if (seconds < 60) return t('ago.seconds', { n: Math.floor(seconds) })
  if (seconds < 3600) return t('ago.minutes', { n: Math.floor(seconds / 60) })
  if (seconds < 86400) return t('ago.hours', { n: Math.floor(seconds / 3600) })
  return t('ago.days', { n: Math.floor(seconds / 86400) })
}

/** An amount of money: a number with its currency, or both in one text, as in `0.0010 USD`. */
export function money(amount: number | string | undefined | null, unit = 'USD'): string {
  const [digitsOf, currency = unit] = String(amount ?? 0).split(' ')
  const value = Number(digitsOf)
  const digits = value === 0 ? 2 : value < 0.001 ? 5 : value < 1 ? 4 : 2
  return numbers({
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value)
}

/** What tokens cost: those without a known price are not free. `partly`: some of them have none. */
export const cost = (tokens: number, price: number | string, partly = false): string =>
  tokens > 0 && !Number.parseFloat(`${price}`) ? '–' : `${partly ? '≥ ' : ''}${money(price)}`
/** The same for a sum, which has an amount for each currency. */
export const costs = (tokens: number, amounts: Readonly<Record<string, string>>): string =>
  Object.entries(amounts)
    .map(([currency, amount]) => money(amount, currency))
    .join(' + ') || cost(tokens, 0)
/** Why a cost is a dash, or a lower bound. */
export const whyNoCost = (text: string): string | undefined =>
  text === '–' ? t('cost.unknown') : text.startsWith('≥') ? t('cost.partly') : undefined

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let at = 0
  let value = n
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000
  return `${numbers({ maximumFractionDigits: value < 10 && at > 0 ? 1 : 0 }).format(value)} ${units[at]}`
}
