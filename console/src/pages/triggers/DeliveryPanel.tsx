import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import type { DeliveryDetail } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Confirm } from '../../parts/Dialog.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { Json } from '../../parts/Json.tsx'
import { Loaded, Panel, Refused } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { bytes, duration, moment, t, when } from '../../words/words.ts'
import { Chosen, Facts } from './Chosen.tsx'
import { DeliveryStatus } from './Deliveries.tsx'
import { useTitleOf } from './TriggerTable.tsx'
import { useActing } from './useActing.ts'

/** One call of a webhook: what became of it, what it brought, its runs; run again, or set aside. */
export function DeliveryPanel({ id }: { id: string }) {
  const path = `deliveries/${encodeURIComponent(id)}`
  const delivery = useQuery({
    queryKey: ['deliveries', 'one', id],
    queryFn: () => get<DeliveryDetail>(path, { without: 'call' }),
    refetchInterval: ({ state }) => (/waiting|running/.test(state.data?.state ?? '') ? 1000 : 10_000),
  })
  // It never changes, and may have 10 MiB.
  const { data: call } = useQuery({
    queryKey: ['call', id],
    queryFn: async () => (await get<DeliveryDetail>(path)).call,
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Chosen
      id={id}
      title={t('delivery', { id: id.slice(-8) })}
      below={
        call ? (
          <Panel
            title={t('delivery.brought')}
            beside={
              <span className="more">
                <Copy text={() => JSON.stringify(call.body, null, 2)} label={t('copy')} />
              </span>
            }
          >
            <Json
              value={{ body: call.body, query_params: call.query_params, headers: call.headers, files: call.files }}
            />
          </Panel>
        ) : undefined
      }
    >
      <Loaded of={delivery}>{found => <Found delivery={found} />}</Loaded>
    </Chosen>
  )
}

function Found({ delivery }: { delivery: DeliveryDetail }) {
  const may = useMay()
  const titleOf = useTitleOf()
  const { busy, said, wrong, act } = useActing()
  const [asking, setAsking] = useState(false)
  const path = `deliveries/${delivery.id}`
  const ran = delivery.verdict === 'accepted' && delivery.run_list.length > 0
  return (
    <>
      <Facts
        rows={[
          [t('runs.status'), <DeliveryStatus key="status" state={delivery.state} />],
          [t('runs.workflow'), visible(delivery.app.name)],
          [t('trigger.node'), titleOf(delivery)],
          [t('delivery.received'), moment(delivery.received_at)],
          [t('delivery.size'), `${delivery.method} · ${bytes(delivery.size)}`],
          [t('delivery.sender'), visible(delivery.sender_id)],
          [t('trigger.why'), visible(delivery.reason || delivery.error || '')],
        ]}
      />
      {may && ran && (
        <div className="row wrap acts">
          <button
            type="button"
            className="btn small"
            disabled={busy}
            onClick={() => void act('POST', `${path}/replay`, undefined, () => t('delivery.replayed'))}
          >
            <Icon name="again" small />
            {t('delivery.replay')}
          </button>
          {['failed', 'dead', 'waiting'].includes(delivery.state) && (
            <button type="button" className="btn small" disabled={busy} onClick={() => setAsking(true)}>
              {t('delivery.discard')}
            </button>
          )}
        </div>
      )}
      <p className="empty dim said" role="status">
        {said}
      </p>
      <Refused wrong={wrong} />
      {delivery.run_list.length > 0 && (
        <>
          <h3 className="in faint">{t('page.runs')}</h3>
          <ol className="times">
            {delivery.run_list.map(run => (
              <li key={run.id}>
                <Link className="row" href={`/runs/${run.id}`} title={run.id}>
                  <Status status={run.status} />
                  <span className="dim num">{`${when(run.created_at)} · ${duration(run.elapsed)}`}</span>
                </Link>
              </li>
            ))}
          </ol>
        </>
      )}
      {asking && (
        <Confirm
          label={t('delivery.discard')}
          text={t('delivery.discard.text')}
          action={t('delivery.discard')}
          act={() => void act('POST', `${path}/discard`, undefined)}
          close={() => setAsking(false)}
        />
      )}
    </>
  )
}
