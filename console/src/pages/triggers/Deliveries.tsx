import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { get } from '../../api/client.ts'
import type { Delivery } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { announce } from '../../app/announce.tsx'
import { Chooser } from '../../parts/Chooser.tsx'
import { AppIcon, Status } from '../../parts/Icon.tsx'
import { Empty, Loaded, More, Panel } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { bytes, moment, recent, t, tn, type Word } from '../../words/words.ts'
import { SPANS } from '../runs/filter.ts'
import { useTitleOf, useTriggers } from './TriggerTable.tsx'

type Page = { data: Delivery[]; next: string | null }

const LOOKS: Readonly<Record<Delivery['state'], string>> = {
  waiting: 'queued',
  running: 'running',
  done: 'succeeded',
  failed: 'failed',
  dead: 'failed',
  discarded: 'stopped',
  duplicate: 'skipped',
  refused: 'partial',
  expired: 'skipped',
}

export const DeliveryStatus = ({ state }: { state: Delivery['state'] }) => (
  <Status status={LOOKS[state]} word={t(`delivery.${state}`)} />
)

/** Calls of webhooks, newest first. What comes meanwhile is counted, and put in by a click. */
export function Deliveries() {
  const [read, change] = useAddress()
  const triggers = useTriggers(read('app'))
  const webhooks = (triggers.data?.pages ?? []).flatMap(page => page.data).filter(one => one.kind === 'webhook')
  const titleOf = useTitleOf()
  const span = read('t') || 'all'
  const after = useMemo(() => SPANS[span] && Math.floor(Date.now() / 1000) - SPANS[span], [span])
  const filter = { app: read('app'), trigger: read('of'), state: read('state'), after }
  const key = JSON.stringify(filter)
  const query = useInfiniteQuery({
    queryKey: ['deliveries', key],
    queryFn: ({ pageParam, signal }) => get<Page>('deliveries', { ...filter, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next ?? undefined,
    // Of one state the server looks through all.
    refetchInterval: filter.state ? 30_000 : 5000,
  })
  const all = query.data?.pages.flatMap(page => page.data) ?? []
  const newest = all[0]?.id
  const [top, setTop] = useState<{ key: string; id: string | undefined }>()
  useEffect(() => {
    if (newest !== undefined && top?.key !== key) setTop({ key, id: newest })
  }, [newest, key, top])
  const fresh = Math.max(0, top?.key === key ? all.findIndex(one => one.id === top.id) : 0)
  useEffect(() => {
    if (fresh > 0) announce(tn('delivery.new', fresh))
  }, [fresh])
  const list = all.slice(fresh)
  const narrow = Boolean(filter.trigger || filter.state || filter.after)
  return (
    <Panel title={t('deliveries')} plain>
      <div className="filters">
        {webhooks.length > 1 && (
          <Chooser
            label={t('trigger.node')}
            value={read('of')}
            set={of => change({ of }, true)}
            options={[
              ['', t('delivery.any_trigger')],
              ...webhooks.map(
                one => [one.id, `${visible(one.app.name)} / ${visible(one.title ?? one.node_id)}`] as const,
              ),
            ]}
          />
        )}
        <select
          aria-label={t('runs.status')}
          value={read('state')}
          onChange={event => change({ state: event.target.value }, true)}
        >
          <option value="">{t('delivery.any_state')}</option>
          {Object.keys(LOOKS).map(state => (
            <option key={state} value={state}>
              {t(`delivery.${state}` as Word)}
            </option>
          ))}
        </select>
        <select aria-label={t('runs.time')} value={span} onChange={event => change({ t: event.target.value }, true)}>
          {Object.keys(SPANS).map(id => (
            <option key={id} value={id}>
              {t(`span.${id}` as Word)}
            </option>
          ))}
        </select>
      </div>
      {fresh > 0 && (
        <button type="button" className="new" onClick={() => setTop({ key, id: newest })}>
          {tn('delivery.new', fresh)}
        </button>
      )}
      <Loaded of={query} rows={6}>
        {() =>
          list.length === 0 ? (
            <Empty>{t(narrow ? 'delivery.none_here' : 'delivery.none')}</Empty>
          ) : (
            <table className="cards calls">
              <thead>
                <tr>
                  <th className="c-status">{t('runs.status')}</th>
                  <th className="c-workflow">{t('trigger.node')}</th>
                  <th>{t('runs.happened')}</th>
                  <th className="c-number right hide">{t('delivery.size')}</th>
                  <th className="c-started right">{t('delivery.received')}</th>
                </tr>
              </thead>
              <tbody>
                {list.map(one => (
                  <tr key={one.id} aria-selected={one.id === read('delivery') ? 'true' : undefined}>
                    <td className="s">
                      <DeliveryStatus state={one.state} />
                    </td>
                    <td>
                      <span className="wf">
                        <AppIcon icon={one.app.icon} size="tiny" />
                        <span className="cut" dir="auto">
                          {`${visible(one.app.name)} / ${titleOf(one)}`}
                        </span>
                      </span>
                    </td>
                    <td>
                      <button
                        type="button"
                        className="link cut opens"
                        data-row={one.id}
                        onClick={() => change({ delivery: one.id, trigger: undefined }, true)}
                      >
                        {visible(one.reason || one.error || one.sender_id || `${one.method} …${one.id.slice(-8)}`)}
                      </button>
                    </td>
                    <td className="num right dim hide">{bytes(one.size)}</td>
                    <td className="num right dim at" title={moment(one.received_at)}>
                      {recent(one.received_at)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
      {query.hasNextPage && (
        <div className="foot">
          <span className="more" />
          <More of={query}>{t('runs.older')}</More>
        </div>
      )}
    </Panel>
  )
}
