import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client.ts'
import { useApps } from '../../api/queries.ts'
import type { ChartPoint, RunCharts } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useTitle } from '../../app/title.ts'
import { AppChooser } from '../../parts/Chooser.tsx'
import { Empty, Loaded } from '../../parts/Panel.tsx'
import { cost, count, duration, listed, money, percent, t, tn, type Word } from '../../words/words.ts'
import { type Bar, Bars } from './Bars.tsx'
import { BY, type By, beginOf, momentOf, runsOf, STRETCHES } from './charted.ts'
import { Figures } from './Figures.tsx'
import '../../../styles/charts.css'

/** Runs, errors, durations, tokens and costs: over time, or by what the runs are of. Each figure leads to its runs. */
export default function ChartsPage() {
  useTitle(t('page.charts'))
  const [read, change] = useAddress()
  const apps = useApps()
  const app = read('app')
  const stretch = Object.hasOwn(STRETCHES, read('t')) ? read('t') : '7d'
  const by = BY.find(one => one === read('by')) ?? 'time'
  const hours = STRETCHES[stretch]?.[1]
  const charts = useQuery({
    queryKey: ['charts', by, app, stretch],
    queryFn: ({ signal }) =>
      get<RunCharts>('runs/charts', { by, app, after: beginOf(stretch, Date.now()), hours }, signal),
    refetchInterval: 60_000,
  })
  return (
    <main id="main" className="page charts">
      <div className="head">
        <h1>{t('page.charts')}</h1>
        <span className="more" />
        {/* biome-ignore lint/a11y/useSemanticElements: buttons that go together, no fields of a form */}
        <div className="seg" role="group" aria-label={t('charts.by')}>
          {BY.map(one => (
            <button
              key={one}
              type="button"
              aria-pressed={one === by}
              onClick={() => change({ by: one === 'time' ? undefined : one }, true)}
            >
              {t(`charts.by.${one}`)}
            </button>
          ))}
        </div>
        <AppChooser
          label={t('runs.workflow')}
          any={t('runs.any')}
          apps={apps.data ?? []}
          value={app}
          set={one => change({ app: one || undefined }, true)}
        />
        <select aria-label={t('runs.time')} value={stretch} onChange={event => change({ t: event.target.value }, true)}>
          {Object.keys(STRETCHES).map(id => (
            <option key={id} value={id}>
              {t(`span.${id}` as Word)}
            </option>
          ))}
        </select>
      </div>
      <Loaded of={charts} rows={12}>
        {data => <Charts of={data} by={by} app={app} />}
      </Loaded>
    </main>
  )
}

function Charts({ of, by, app }: { of: RunCharts; by: By; app: string }) {
  if (of.data.every(point => point.runs === 0 && costIn(point) === 0)) return <Empty>{t('charts.none')}</Empty>
  const sampled = of.looked_at < of.runs
  return (
    <>
      {sampled && (
        <p className="dim">
          {t(by === 'time' || by === 'app' ? 'charts.sampled' : 'charts.sampled.groups', {
            all: count(of.runs),
            n: count(of.looked_at),
          })}
        </p>
      )}
      {by === 'time' ? (
        <OverTime of={of} app={app} />
      ) : (
        <div className="panel">
          <Figures of={of} by={by} app={app} />
        </div>
      )}
    </>
  )
}

const costIn = (point: ChartPoint, currency?: string): number =>
  Object.entries(point.cost).reduce((sum, [unit, n]) => sum + (currency && unit !== currency ? 0 : Number(n)), 0)

function OverTime({ of, app }: { of: RunCharts; app: string }) {
  const sum = (value: (point: ChartPoint) => number) => of.data.reduce((all, point) => all + value(point), 0)
  const most = (value: (point: ChartPoint) => number) => Math.max(...of.data.map(value))
  const bars = (parts: (point: ChartPoint) => Bar['parts'], words: (point: ChartPoint) => string, status = ''): Bar[] =>
    of.data.map(point => {
      const label = momentOf(point.at ?? of.from, of.step)
      const to = runsOf(point, 'time', app, of.from, of.step, status)
      return { label, text: `${label}: ${words(point)}`, parts: parts(point), to }
    })
  const seconds = (title: string, half: 'p50' | 'first_p50', most95: 'p95' | 'first_p95') => ({
    title,
    total: (
      <>
        <i className="swatch strong" />
        {t('charts.p50')} <i className="swatch all" />
        {t('charts.p95')}
      </>
    ),
    most: duration(most(point => point[most95] ?? 0)),
    bars: bars(
      point => [
        [point[most95] ?? 0, 'all'],
        [point[half] ?? 0, 'strong'],
      ],
      point =>
        `${t('charts.p50')} ${duration(point[half]) || '–'}, ${t('charts.p95')} ${duration(point[most95]) || '–'}`,
    ),
  })
  const share = (point: ChartPoint) => (point.runs ? point.failed / point.runs : 0)
  const currencies = [...new Set(of.data.flatMap(point => Object.keys(point.cost)))].sort()
  const failed = sum(point => point.failed)
  const all = sum(point => point.runs)
  return (
    <>
      <p className="sr">{t('charts.keys')}</p>
      <div className="chartgrid">
        <Bars
          title={t('charts.runs')}
          total={count(all)}
          most={count(most(point => point.runs))}
          bars={bars(
            point => [
              [point.runs, 'all'],
              [point.failed, 'bad'],
            ],
            point =>
              listed([tn('runs', point.runs), point.failed > 0 && `${t('charts.failed')} ${count(point.failed)}`]),
          )}
        />
        <Bars
          title={t('charts.failed')}
          total={`${count(failed)} · ${percent(all ? failed / all : 0)}`}
          most={percent(most(share))}
          bars={bars(
            point => [[share(point), 'bad']],
            point => `${count(point.failed)} · ${percent(share(point))}`,
            'failed',
          )}
        />
        <Bars {...seconds(t('charts.took'), 'p50', 'p95')} />
        {of.data.some(point => point.first_p50 !== null) && (
          <Bars {...seconds(t('charts.first'), 'first_p50', 'first_p95')} />
        )}
        <Bars
          title={t('runs.tokens')}
          total={count(sum(point => point.tokens))}
          most={count(most(point => point.tokens))}
          bars={bars(
            point => [[point.tokens, 'all']],
            point => tn('tokens', point.tokens),
          )}
        />
        {currencies.map(currency => (
          <Bars
            key={currency}
            title={currencies.length > 1 ? `${t('charts.cost')} ${currency}` : t('charts.cost')}
            total={money(
              sum(point => costIn(point, currency)),
              currency,
            )}
            most={money(
              most(point => costIn(point, currency)),
              currency,
            )}
            bars={bars(
              point => [[costIn(point, currency), 'all']],
              point => (costIn(point) > 0 ? money(costIn(point, currency), currency) : cost(point.tokens, 0)),
            )}
          />
        ))}
      </div>
      <details className="panel">
        <summary>{t('charts.table')}</summary>
        <Figures of={of} by="time" app={app} />
      </details>
    </>
  )
}
