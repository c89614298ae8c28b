import { useQuery } from '@tanstack/react-query'
import { type PointerEvent, useState } from 'react'
import { get } from '../../api/client.ts'
import type { Counts, Histogram as Data } from '../../api/types.ts'
import { clock, day, t, tn, when } from '../../words/words.ts'
import type { Filter } from './filter.ts'

const BUCKETS = 48
const sum = (counts: Counts) => Object.values(counts).reduce<number>((all, n) => all + (n ?? 0), 0)

/** Runs over time, the failed ones in red. Drawing over a stretch narrows the list to it. */
export function Histogram({ filter, narrow }: { filter: Filter; narrow: (from: number, until: number) => void }) {
  const { data } = useQuery({
    queryKey: ['histogram', JSON.stringify(filter)],
    queryFn: ({ signal }) => get<Data>('runs/histogram', { ...filter, buckets: BUCKETS }, signal),
    refetchInterval: 30_000,
    placeholderData: before => before,
  })
  const [brush, setBrush] = useState<{ from: number; to: number } | null>(null)
  if (!data || data.data.length === 0) return <div className="hist" />
  const most = Math.max(1, ...data.data.map(bucket => sum(bucket.by_status)))
  const place = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    return Math.min(
      data.data.length - 1,
      Math.max(0, Math.floor(((event.clientX - box.left - 16) / (box.width - 32)) * data.data.length)),
    )
  }
  const [low, high] = brush ? [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)] : [-1, -1]
  const first = data.from
  const last = data.from + data.step * data.data.length
  const label = (at: number) =>
    last - first > 172_800 ? day(at) : last - first < 600 ? clock(at) : clock(at).slice(0, 5)
  return (
    <>
      <div
        className="hist"
        role="img"
        aria-label={t('runs.histogram', { from: when(first), until: when(last) })}
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId)
          setBrush({ from: place(event), to: place(event) })
        }}
        onPointerMove={event => brush && setBrush({ ...brush, to: place(event) })}
        onPointerUp={() => {
          if (brush) narrow(first + low * data.step, first + (high + 1) * data.step)
          setBrush(null)
        }}
        onPointerCancel={() => setBrush(null)}
      >
        {data.data.map((bucket, index) => {
          const failed = bucket.by_status.failed ?? 0
          const all = sum(bucket.by_status)
          return (
            <span
              key={bucket.at}
              className={`col ${index >= low && index <= high ? 'on' : ''}`}
              title={`${when(bucket.at)} · ${tn('runs', all)}`}
            >
              {all > failed && (
                <i className="st-queued" style={{ height: Math.max(2, ((all - failed) / most) * 44) }} />
              )}
              {failed > 0 && <i className="st-failed" style={{ height: Math.max(2, (failed / most) * 44) }} />}
            </span>
          )
        })}
      </div>
      <div className="hours num" aria-hidden="true">
        <span>{when(first)}</span>
        {[0.25, 0.5, 0.75].map(share => (
          <span key={share}>{label(first + (last - first) * share)}</span>
        ))}
        <span>{filter.before ? when(last) : t('now')}</span>
      </div>
    </>
  )
}
