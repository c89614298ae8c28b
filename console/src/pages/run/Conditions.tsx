import { useQuery } from '@tanstack/react-query'
import { Fragment } from 'react'
import { get } from '../../api/client.ts'
import { useGraph } from '../../api/queries.ts'
import type { RunDetail } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Json, LongText } from '../../parts/Json.tsx'
import { Loaded } from '../../parts/Panel.tsx'
import { type Case, type Condition, casesOf, readBy } from '../../run/conditions.ts'
import type { Values } from '../../run/events.ts'
import { type Selector, variablesAt } from '../../run/variables.ts'
import { visible } from '../../words/visible.ts'
import { count, t } from '../../words/words.ts'
import { Cuts } from './Cuts.tsx'
import type { RunView } from './useRunView.ts'
import { type Ended, type Told, Why } from './Values.tsx'
import '../../../styles/conditions.css'

type Props = Ended & { view: RunView; run: RunDetail | undefined; told: Told | undefined }

/** The conditions of a step as the file has them, with the values that they saw, and which way it chose. */
export default function Conditions({ view, run, told, ...ended }: Props) {
  const { execution } = ended
  const graph = useGraph(run)
  // What was too long for the page of the log is asked for.
  const cut = told?.cut?.find(one => one.path === '/process_data' || one.path.startsWith('/process_data/cond'))
  const path = `runs/${view.runId}/log/${told?.id}/value`
  const whole = useQuery({
    queryKey: ['value', path, cut?.path],
    queryFn: () => get<unknown>(path, { path: cut?.path }),
    enabled: cut !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const process = cut?.path === '/process_data' ? (whole.data as Values | undefined) : told?.process_data
  const judged = cut && cut.path !== '/process_data' ? whole.data : process?.condition_results
  const nodes = graph.data?.nodes ?? []
  const raw = nodes.find(one => one.id === execution.nodeId)?.cases
  const compared = told?.inputs?.conditions
  const cases = casesOf(
    raw,
    execution,
    Array.isArray(judged) ? judged : undefined,
    Array.isArray(compared) ? (compared as Values[]) : [],
  )
  const isIf = execution.type === 'if-else'
  const known = variablesAt(
    view.follower.log.events,
    execution,
    cases.flatMap(one => one.conditions.flatMap(readBy)),
  )
  const titleOf = (owner: string): string => nodes.find(one => one.id === owner)?.title ?? owner

  const value = (selector: Selector, one?: Condition) => {
    const found = known(selector)
    // A text that was cut has its beginning, anything else is null.
    const begun = found?.cut && found.value === null ? undefined : found?.value
    const shown = found?.cut ? (one?.actual ?? begun) : one?.actual !== undefined ? one.actual : begun
    return (
      <>
        <dt className="cut">
          <bdi>{visible(titleOf(selector[0] ?? ''))}</bdi>
          <bdi className="mono"> {visible(selector.slice(1).join('.'))}</bdi>
        </dt>
        <dd>
          {shown !== undefined && <Json value={shown} />}
          {found?.cut && shown === begun && <Cuts told={found.told} below={found.cut.path} run={view} />}
          {shown === undefined && !found && <span className="dim">{t('condition.unknown')}</span>}
        </dd>
      </>
    )
  }
  const condition = (one: Condition, index: number) => (
    <li key={index}>
      <p>
        {one.held !== undefined && (
          <span className={`st word st-${one.held ? 'succeeded' : 'skipped'}`}>
            <Icon name={one.held ? 'succeeded' : 'skipped'} small />
            {t(one.held ? 'condition.held' : 'condition.not')}
          </span>
        )}{' '}
        {one.selector.length > 0 && (
          <bdi className="mono">
            {visible(titleOf(one.selector[0] ?? ''))}.{visible(one.selector.slice(1).join('.'))}
          </bdi>
        )}
        {one.key && <bdi className="mono">{visible(one.key)}</bdi>} <b>{visible(one.operator)}</b>{' '}
        {one.value !== null && one.value !== '' && !one.inner && <Written value={one.value} />}
      </p>
      {one.inner && (
        <>
          <p className="dim">{t(one.inner.any ? 'case.any' : 'case.all')}</p>
          <ul>{one.inner.conditions.map(condition)}</ul>
        </>
      )}
      <dl className="saw">
        {readBy(one).map((selector, place) => (
          <Fragment key={place}>{value(selector, place === 0 && one.selector.length > 0 ? one : undefined)}</Fragment>
        ))}
      </dl>
    </li>
  )
  return (
    <>
      <Why {...ended} />
      {!isIf && told?.inputs && (
        <>
          {'query' in told.inputs && <Json value={{ query: told.inputs.query }} />}
          {'variable' in told.inputs && <Json value={{ variable: told.inputs.variable }} />}
          <Cuts told={told} below="/inputs" run={view} />
        </>
      )}
      <Loaded of={graph} rows={4}>
        {() => (
          <>
            {cases.map((one, index) => (
              <section key={index} className="msg case">
                <header>
                  <h3 className="grow">
                    {isIf ? index === 0 ? 'IF' : `ELIF ${index + 1}` : <LongText text={one.name} />}
                    {one.conditions.length > 1 && (
                      <span className="faint"> {t(one.any ? 'case.any' : 'case.all')}</span>
                    )}
                  </h3>
                  {isIf || one.outcome === 'chosen' ? <Outcome of={one.outcome} /> : null}
                </header>
                {one.conditions.length > 0 && <ul>{one.conditions.map(condition)}</ul>}
              </section>
            ))}
            {isIf && (
              <section className="msg case">
                <header>
                  <h3 className="grow">ELSE</h3>
                  {execution.handle === 'false' && cases.every(one => one.outcome !== 'chosen') && (
                    <Outcome of="chosen" />
                  )}
                </header>
              </section>
            )}
            {cases.length === 0 && <p className="dim">{t('conditions.none')}</p>}
          </>
        )}
      </Loaded>
      {execution.type === 'list-operator' && Array.isArray(told?.outputs?.result) && (
        <p>{t('conditions.kept', { n: count(told.outputs.result.length) })}</p>
      )}
    </>
  )
}

/** As the file has it. */
const Written = ({ value }: { value: unknown }) => (
  <code>
    <LongText text={typeof value === 'string' ? value : JSON.stringify(value)} />
  </code>
)

const LOOKS = { chosen: 'succeeded', not: 'skipped', unseen: 'queued', broke: 'failed' } as const

const Outcome = ({ of }: { of: Case['outcome'] }) => (
  <span className={`pill st-${LOOKS[of]}`}>
    <Icon name={LOOKS[of]} small />
    {t(`case.${of}`)}
  </span>
)
