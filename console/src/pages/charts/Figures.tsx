import { Link } from 'wouter'
import type { ChartPoint, RunCharts } from '../../api/types.ts'
import { visible } from '../../words/visible.ts'
import { costs, count, duration, percent, t, whyNoCost } from '../../words/words.ts'
import { type By, momentOf, runsOf } from './charted.ts'

/** What a figure is of. */
function nameOf(point: ChartPoint, step: number): string {
  if (point.at !== undefined) return momentOf(point.at, step)
  const name = visible(point.name) || point.app_id?.slice(-4) || '–'
  if (point.workflow_id === undefined) return name
  return `${name} · ${point.version ? t('version', { n: point.version }) : t('charts.unknown')}`
}

/** All figures in rows, with bars that compare them. */
export function Figures({ of, by, app }: { of: RunCharts; by: By; app: string }) {
  const most = (value: (point: ChartPoint) => number) => Math.max(...of.data.map(value), 0) || 1
  const [runs, tokens, p95] = [most(one => one.runs), most(one => one.tokens), most(one => one.p95 ?? 0)]
  const first95 = most(one => one.first_p95 ?? 0)
  const answers = of.data.some(one => one.first_p50 !== null)
  return (
    <div className="scroll figures">
      <table>
        <thead>
          <tr>
            <th>{t(`charts.by.${by}`)}</th>
            <th className="right">{t('charts.runs')}</th>
            <th className="right">{t('charts.failed')}</th>
            <th className="right">{t('charts.p50')}</th>
            <th className="right">{t('charts.p95')}</th>
            {answers && <th className="right">{t('charts.first.p50')}</th>}
            {answers && <th className="right">{t('charts.first.p95')}</th>}
            <th className="right">{t('runs.tokens')}</th>
            <th className="right">{t('charts.cost')}</th>
          </tr>
        </thead>
        <tbody>
          {of.data.map(point => {
            const name = nameOf(point, of.step)
            const failed = `${count(point.failed)} · ${percent(point.runs ? point.failed / point.runs : 0)}`
            // Runs without a user cannot be looked for.
            const leads = by !== 'user' || point.name !== ''
            const cost = point.runs > 0 || Object.keys(point.cost).length > 0 ? costs(point.tokens, point.cost) : ''
            const to = (status = '') => runsOf(point, by, app, of.from, of.step, status)
            return (
              <tr key={`${point.at ?? ''} ${point.app_id ?? ''} ${point.workflow_id ?? ''} ${point.name}`}>
                <td>
                  {leads ? (
                    <Link href={to()} aria-label={t('charts.runs_of', { name })} dir="auto">
                      {name}
                    </Link>
                  ) : (
                    name
                  )}
                </td>
                <Cell text={count(point.runs)} share={point.runs / runs} />
                <td className="num right">
                  {point.failed > 0 && !leads && failed}
                  {point.failed > 0 && leads && (
                    <Link href={to('failed')} aria-label={`${failed} · ${t('charts.failed_runs', { name })}`}>
                      {failed}
                    </Link>
                  )}
                  <Share of={point.failed / runs} look="bad" />
                </td>
                <td className="num right">{duration(point.p50)}</td>
                <Cell text={duration(point.p95)} share={(point.p95 ?? 0) / p95} />
                {answers && <td className="num right">{duration(point.first_p50)}</td>}
                {answers && <Cell text={duration(point.first_p95)} share={(point.first_p95 ?? 0) / first95} />}
                <Cell text={count(point.tokens)} share={point.tokens / tokens} />
                <td className="num right" title={whyNoCost(cost)}>
                  {cost}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

const Cell = ({ text, share }: { text: string; share: number }) => (
  <td className="num right">
    {text}
    <Share of={share} look="all" />
  </td>
)

const Share = ({ of, look }: { of: number; look: string }) => (
  <svg className="share" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
    <rect className={look} x={100 - of * 100} width={of * 100} height={3} />
  </svg>
)
