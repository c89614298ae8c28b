// What the page of charts asks for, and where each of its figures leads.
import type { ChartPoint } from '../../api/types.ts'
import { day, when } from '../../words/words.ts'

export const BY = ['time', 'app', 'version', 'model', 'user'] as const
export type By = (typeof BY)[number]

/** Stretches of time to choose from: days, and hours of a bar. */
export const STRETCHES: Readonly<Record<string, readonly [days: number, hours: number]>> = {
  '24h': [1, 1],
  '7d': [7, 6],
  '30d': [30, 24],
  '90d': [90, 72],
}

/** Where a stretch of time begins, in seconds: at a whole hour, or at midnight. `now`: milliseconds. */
export function beginOf(stretch: string, now: number): number {
  const [days, hours] = STRETCHES[stretch] ?? [7, 6]
  const begin = new Date(now)
  if (hours === 1) begin.setHours(begin.getHours() - 23, 0, 0, 0)
  else begin.setHours(0, 0, 0, 0)
  begin.setDate(begin.getDate() - (hours === 1 ? 0 : days - 1))
  return Math.floor(begin.getTime() / 3_600_000) * 3600
}

/** When a bar is: where clocks were changed, a day may begin an hour beside midnight. */
export const momentOf = (at: number, step: number): string => (step < 86_400 ? when(at) : day(at + 7200))

/** The address of the list of the runs behind a figure. */
export function runsOf(point: ChartPoint, by: By, app: string, from: number, step: number, more = ''): string {
  const begin = point.at ?? from
  const search = new URLSearchParams({ from: String(begin), until: String(begin + step - 0.001) })
  if (point.app_id ?? app) search.set('app', point.app_id ?? app)
  if (point.workflow_id) search.set('version', point.workflow_id)
  if (by === 'model' || by === 'user') search.set(by, point.name)
  if (more) search.set('status', more)
  return `/runs?${search}`
}
