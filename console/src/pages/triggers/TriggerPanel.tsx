import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { base, get } from '../../api/client.ts'
import type { Trigger } from '../../api/types.ts'
import { useMay, useWho } from '../../app/Shell.tsx'
import { Code } from '../../parts/Code.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Dialog, Ends } from '../../parts/Dialog.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { Loaded, Refused } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { moment, t, tn, type Word, when } from '../../words/words.ts'
import { Chosen, Facts } from './Chosen.tsx'
import { Due, stateOf } from './TriggerTable.tsx'
import { useActing } from './useActing.ts'

const PAUSES: Readonly<Record<string, number>> = { hour: 3600, day: 86_400, week: 604_800 }
const OVERLAPS = ['queue_all', 'queue_one', 'allow', 'skip', 'cancel_other']

/** One trigger: how it is, when it runs next, what became of its last due times, and what can be done to it. */
export function TriggerPanel({ id }: { id: string }) {
  const trigger = useQuery({
    queryKey: ['triggers', 'one', id],
    queryFn: () => get<Trigger>(`triggers/${encodeURIComponent(id)}`),
    refetchInterval: 5000,
  })
  const title = visible(trigger.data?.title ?? trigger.data?.node_id ?? t('trigger.node'))
  return (
    <Chosen id={id} title={title}>
      <Loaded of={trigger}>{found => <Found trigger={found} />}</Loaded>
    </Chosen>
  )
}

function Found({ trigger }: { trigger: Trigger }) {
  const may = useMay()
  const who = useWho()
  const { schedule } = trigger
  const [asking, setAsking] = useState<'' | 'pause' | 'backfill'>('')
  const { busy, said, wrong, act } = useActing()
  const path = `triggers/${trigger.id}`
  const [look, word] = stateOf(trigger)
  const paused = schedule !== undefined && schedule.paused !== null
  const on = trigger.enabled && !paused
  const address =
    trigger.path &&
    (who.server.public_url || location.origin + base.replace(/console\/$/, '')).replace(/\/$/, '') + trigger.path
  return (
    <>
      <Facts
        rows={[
          [t('runs.status'), <Status key="status" status={look} word={word} />],
          [t('runs.workflow'), visible(trigger.app.name)],
          [t('trigger.kind'), t(`trigger.${trigger.kind}`)],
          [t('trigger.why'), visible(schedule?.error || schedule?.paused || '')],
          [t('trigger.paused_until'), schedule?.paused_until == null ? '' : moment(schedule.paused_until)],
          [
            t('trigger.callers'),
            trigger.kind === 'webhook' ? t(trigger.verified ? 'trigger.verified' : 'trigger.open') : '',
          ],
          [t('trigger.hour'), trigger.refused ? tn('trigger.refused', trigger.refused) : ''],
        ]}
      />
      {address && (
        <p className="row address">
          <code className="mono grow">{address}</code>
          <Copy text={address} label={t('copy')} />
        </p>
      )}
      {may && (
        <div className="row wrap acts">
          {on && schedule && (
            <button type="button" className="btn small" disabled={busy} onClick={() => setAsking('pause')}>
              <Icon name="pause" small />
              {t('trigger.pause')}
            </button>
          )}
          <button
            type="button"
            className="btn small"
            disabled={busy}
            onClick={() => void act('POST', `${path}/${on ? 'disable' : 'enable'}`, undefined)}
          >
            {!on && <Icon name="play" small />}
            {t(on ? 'trigger.disable' : paused && trigger.enabled ? 'trigger.resume' : 'trigger.enable')}
          </button>
          {schedule && (
            <>
              <button
                type="button"
                className="btn small"
                disabled={busy}
                onClick={() => void act('POST', `${path}/fire`, undefined, () => t('trigger.fired'))}
              >
                {t('trigger.fire')}
              </button>
              <button type="button" className="btn small" disabled={busy} onClick={() => setAsking('backfill')}>
                {t('trigger.backfill')}
              </button>
              {schedule.recent.some(time => time.state === 'waiting') && (
                <button
                  type="button"
                  className="btn small"
                  disabled={busy}
                  onClick={() =>
                    void act<{ dropped: number }>('DELETE', `${path}/backfill`, undefined, ({ dropped }) =>
                      tn('trigger.dropped', dropped),
                    )
                  }
                >
                  {t('trigger.drop')}
                </button>
              )}
            </>
          )}
        </div>
      )}
      <p className="empty dim said" role="status">
        {said}
      </p>
      <Refused wrong={wrong} />
      {schedule && (
        <>
          <Times title={t('trigger.next_times')} list={schedule.next.map(at => [at, when(at)])} />
          <Times
            title={t('trigger.recent')}
            list={schedule.recent.map(time => [time.due, <Due key="due" time={time} />])}
          />
        </>
      )}
      {asking && (
        <Asking
          what={asking}
          close={() => setAsking('')}
          act={body => {
            setAsking('')
            void act<{ added?: number }>('POST', `${path}/${asking}`, body, answer =>
              answer.added === undefined ? '' : tn('trigger.added', answer.added),
            )
          }}
        />
      )}
    </>
  )
}

const Times = ({ title, list }: { title: string; list: readonly (readonly [at: number, shown: React.ReactNode])[] }) =>
  list.length === 0 ? null : (
    <>
      <h3 className="in faint">{title}</h3>
      <ol className="times num">
        {list.map(([at, shown]) => (
          <li key={at} title={moment(at)}>
            {shown}
          </li>
        ))}
      </ol>
    </>
  )

/** For how long a schedule pauses and why; or which of its past due times run. */
function Asking(props: { what: 'pause' | 'backfill'; close: () => void; act: (body: unknown) => void }) {
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const said = (name: string) => String(form.get(name) ?? '')
    const at = (name: string) => new Date(said(name)).getTime() / 1000
    const seconds = PAUSES[said('for')]
    props.act(
      props.what === 'pause'
        ? { reason: said('reason').trim(), until: seconds === undefined ? null : Date.now() / 1000 + seconds }
        : { from: at('from'), to: at('to'), overlap: said('overlap') },
    )
  }
  return (
    <Dialog label={t(`trigger.${props.what}`)} close={props.close} heading={null}>
      <form className="in stack dialogbody" onSubmit={send}>
        <p className="dim">
          <Code text={t(`trigger.${props.what}.text`)} />
        </p>
        {props.what === 'pause' ? (
          <>
            <label className="stack">
              {t('trigger.for')}
              <select name="for" defaultValue="">
                <option value="">{t('trigger.for.good')}</option>
                {Object.keys(PAUSES).map(span => (
                  <option key={span} value={span}>
                    {t(`trigger.for.${span}` as Word)}
                  </option>
                ))}
              </select>
            </label>
            <label className="stack">
              {t('trigger.reason')}
              <input type="text" name="reason" maxLength={200} />
            </label>
          </>
        ) : (
          <>
            <label className="stack">
              {t('trigger.from')}
              <input type="datetime-local" name="from" required defaultValue={local(Date.now() - 86_400_000)} />
            </label>
            <label className="stack">
              {t('trigger.to')}
              <input type="datetime-local" name="to" required defaultValue={local(Date.now())} />
            </label>
            <label className="stack">
              {t('trigger.overlap')}
              <select name="overlap">
                {OVERLAPS.map(rule => (
                  <option key={rule} value={rule}>
                    {t(`overlap.${rule}` as Word)}
                  </option>
                ))}
              </select>
            </label>
          </>
        )}
        <Ends close={props.close}>
          <button type="submit" className="btn main">
            {t(`trigger.${props.what}`)}
          </button>
        </Ends>
      </form>
    </Dialog>
  )
}

/** A moment as a field for date and time has it, in the zone of this machine. */
const local = (at: number): string =>
  new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
