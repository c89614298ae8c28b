import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import type { Delivery, Trigger } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { AppIcon, Kind, Status } from '../../parts/Icon.tsx'
import { Empty, Loaded } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { duration, t, tn, type Word, when } from '../../words/words.ts'
import '../../../styles/triggers.css'

type Page = { data: Trigger[]; next: string | null }
type DueTime = NonNullable<Trigger['schedule']>['recent'][number]

/** The triggers of all apps or of one, asked again while they are looked at. */
export function useTriggers(app: string) {
  return useInfiniteQuery({
    queryKey: ['triggers', app],
    queryFn: ({ pageParam, signal }) => get<Page>('triggers', { app, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next ?? undefined,
    refetchInterval: 10_000,
  })
}

/** The title of the node that a call came to, or the node's id where its trigger is not known. */
export function useTitleOf(): (delivery: Delivery) => string {
  const [read] = useAddress()
  const triggers = useTriggers(read('app')).data?.pages.flatMap(page => page.data) ?? []
  return ({ trigger_id, node_id }) => visible(triggers.find(one => one.id === trigger_id)?.title ?? node_id)
}

/** How a trigger is, as the icon of a status and a word. */
export function stateOf(trigger: Trigger): [look: string, word: string] {
  if (trigger.title === null) return ['skipped', t('trigger.gone')]
  if (!trigger.enabled) return ['stopped', t('trigger.off')]
  if (trigger.schedule?.error) return ['failed', t('trigger.never')]
  if (trigger.schedule && trigger.schedule.paused !== null) return ['stopped', t('trigger.paused')]
  return ['succeeded', t('trigger.on')]
}

/** When a schedule is due next; who may call a webhook. */
function Next({ trigger }: { trigger: Trigger }) {
  const { schedule } = trigger
  if (schedule?.error) return <>{visible(schedule.error)}</>
  if (schedule && schedule.paused !== null)
    return (
      <>
        {schedule.paused_until === null
          ? visible(schedule.paused)
          : t('trigger.until', { at: when(schedule.paused_until), why: visible(schedule.paused) })}
      </>
    )
  if (schedule) return <>{schedule.next[0] !== undefined && trigger.enabled ? when(schedule.next[0]) : ''}</>
  if (trigger.kind === 'webhook') {
    const refused = trigger.refused ? ` · ${tn('trigger.refused', trigger.refused)}` : ''
    return <>{t(trigger.verified ? 'trigger.verified' : 'trigger.open') + refused}</>
  }
  return null
}

/** What became of a due time. */
export function Due({ time }: { time: DueTime }) {
  if (time.run_id)
    return (
      <Link href={`/runs/${time.run_id}`}>
        {`${when(time.due)} · ${t('due.started', { late: duration(Math.max(0, time.at - time.due)) })}`}
      </Link>
    )
  const word =
    time.state === 'skipped' ? tn('due.skipped', time.count, { why: t(`due.${time.why}` as Word) }) : t('due.waiting')
  return <>{`${when(time.due)} · ${word}`}</>
}

export function TriggerTable({ app, withApp = true }: { app: string; withApp?: boolean }) {
  const [read, change] = useAddress()
  const query = useTriggers(app)
  const list = query.data?.pages.flatMap(page => page.data) ?? []
  return (
    <Loaded of={query}>
      {() =>
        list.length === 0 ? (
          <Empty>{t('trigger.none')}</Empty>
        ) : (
          <>
            <table className="cards calls">
              <thead>
                <tr>
                  <th className="c-status">{t('runs.status')}</th>
                  {withApp && <th className="c-workflow">{t('runs.workflow')}</th>}
                  <th>{t('trigger.node')}</th>
                  <th>{t('trigger.next')}</th>
                  <th className="hide">{t('trigger.last')}</th>
                </tr>
              </thead>
              <tbody>
                {list.map(trigger => {
                  const [look, word] = stateOf(trigger)
                  const recent = trigger.schedule?.recent[0]
                  const name = visible(trigger.title ?? trigger.node_id)
                  return (
                    <tr key={trigger.id} aria-selected={trigger.id === read('trigger') ? 'true' : undefined}>
                      <td className="s">
                        <Status status={look} word={word} />
                      </td>
                      {withApp && (
                        <td>
                          <span className="wf">
                            <AppIcon icon={trigger.app.icon} size="tiny" />
                            <span className="cut" dir="auto">
                              {visible(trigger.app.name)}
                            </span>
                          </span>
                        </td>
                      )}
                      <td>
                        <span className="row">
                          <Kind type={`trigger-${trigger.kind}`} />
                          {withApp ? (
                            <button
                              type="button"
                              className="link cut strong"
                              data-row={trigger.id}
                              onClick={() => change({ trigger: trigger.id, delivery: undefined }, true)}
                            >
                              {name}
                            </button>
                          ) : (
                            <Link className="cut strong" href={`/triggers?app=${app}&trigger=${trigger.id}`}>
                              {name}
                            </Link>
                          )}
                        </span>
                      </td>
                      <td className="dim num">
                        <Next trigger={trigger} />
                      </td>
                      <td className="dim num hide">{recent && <Due time={recent} />}</td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
            {query.hasNextPage && (
              <div className="foot">
                <span className="more" />
                <button type="button" className="btn small" onClick={() => void query.fetchNextPage()}>
                  {t('more')}
                </button>
              </div>
            )}
          </>
        )
      }
    </Loaded>
  )
}
