import { useQuery } from '@tanstack/react-query'
import { type RefObject, useState } from 'react'
import { address, get } from '../../api/client.ts'
import type { RunDetail } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Icon, Kind, Mark, Status } from '../../parts/Icon.tsx'
import { Json, LongText, visible } from '../../parts/Json.tsx'
import { Boundary } from '../../parts/Panel.tsx'
import { tries } from '../../parts/StepTree.tsx'
import { Tabs } from '../../parts/Tabs.tsx'
import type { Cut, RunEvent, Values } from '../../run/events.ts'
import type { Execution } from '../../run/fold.ts'
import { isOver, shown, tookOf, valuesOf } from '../../run/selectors.ts'
import { bytes, clock, count, duration, money, t, tn, type Word } from '../../words/words.ts'
import { AnswerForm } from './AnswerForm.tsx'
import { RoundPanel, Rounds } from './Rounds.tsx'
import type { RunView } from './useRunView.ts'

type Props = {
  view: RunView
  run: RunDetail | undefined
  retry: (node?: string) => void
  box: RefObject<HTMLElement | null>
}
type Told = RunEvent & {
  inputs?: Values
  outputs?: Values
  process_data?: Values
  usage?: { prompt_tokens?: number; completion_tokens?: number }
  metadata?: Values
}

/** The tabs of an execution, the one that tells most first. */
export function tabsOf(view: RunView): string[] {
  const { execution, round } = view.picked
  if (!execution) return []
  if (round !== undefined) return ['rounds']
  const form = view.run.forms.some(one => one.executionId === execution.id)
  return [
    ...(form ? ['form'] : execution.roundList ? ['rounds'] : []),
    'output',
    'input',
    'detail',
    ...(execution.attempts.length > 0 ? ['tries'] : []),
  ]
}

export function Inspector({ view, run, retry, box }: Props) {
  const [read, change] = useAddress()
  const { execution, round } = view.picked
  const names = tabsOf(view)
  const tab = names.includes(read('tab')) ? read('tab') : (names[0] ?? '')
  return (
    <aside className="inspector" aria-label={t('inspector')} tabIndex={-1} ref={box}>
      {!execution ? (
        <div className="body">
          <p className="dim">{t(view.picked.node ? 'inspector.not_run' : 'inspector.none')}</p>
          <p className="faint only-large">{t('inspector.hint')}</p>
        </div>
      ) : (
        <Boundary key={`${execution.id} ${tab} ${round}`}>
          <Head view={view} execution={execution} retry={retry} canRetry={!!run && isOver(view.latest)} />
          <Tabs
            label={t('inspector.values')}
            tabs={names.map(id => ({
              id,
              label: t(`tab.${id}` as Word),
              ...(id === 'tries' ? { badge: String(execution.attempts.length + 1) } : {}),
            }))}
            chosen={tab}
            choose={id => change({ tab: id })}
          >
            <Body tab={tab} view={view} execution={execution} run={run} retry={retry} />
          </Tabs>
        </Boundary>
      )}
    </aside>
  )
}

function Head({
  view,
  execution,
  retry,
  canRetry,
}: {
  view: RunView
  execution: Execution
  retry: (node?: string) => void
  canRetry: boolean
}) {
  const may = useMay()
  const { round } = view.picked
  const state = round === undefined ? shown(execution.status) : shown(execution.roundList?.[round]?.status ?? 'queued')
  const seconds = round === undefined ? tookOf(execution, view.moment) : execution.roundList?.[round]?.elapsed
  const where = execution.rounds
    .map(one => `${titleOf(view, one[0])} · ${t('round', { n: count(one[3] + 1) })}`)
    .join(' › ')
  return (
    <div className="hd">
      <div className="row">
        <Kind type={execution.type} />
        <h2 className="cut grow">
          {round === undefined
            ? execution.title || execution.type
            : t('round.of', { n: count(round + 1), all: count(execution.length ?? 0) })}
        </h2>
        <Copy text={() => location.href} label={t('copy.link')} icon="link" />
        {may && canRetry && round === undefined && execution.rounds.length === 0 && (
          <button
            type="button"
            className="btn plain icon small"
            aria-label={t('retry.here')}
            title={t('retry.here')}
            onClick={() => retry(execution.nodeId)}
          >
            <Icon name="again" />
          </button>
        )}
      </div>
      <div className="row wrap facts3">
        <Status status={state} />
        <span className="num dim">
          {execution.status === 'paused' ? t('since', { at: clock(execution.startedAt) }) : duration(seconds)}
        </span>
        {round === undefined && execution.tokens > 0 && (
          <span className="num dim">{tn('tokens', execution.tokens)}</span>
        )}
        {round === undefined && execution.price > 0 && <span className="num dim">{money(execution.price)}</span>}
        {where && <span className="faint cut">{where}</span>}
      </div>
    </div>
  )
}

const titleOf = (view: RunView, id: string): string => {
  const container = view.run.executions[view.run.ordinals.get(id) ?? -1]
  return container?.title || container?.nodeId || ''
}

function Body({
  tab,
  view,
  execution,
  run,
  retry,
}: {
  tab: string
  view: RunView
  execution: Execution
  run: RunDetail | undefined
  retry: (node?: string) => void
}) {
  const told = valuesOf(view.follower.log.events, execution) as Told | undefined
  if (tab === 'form') return <AnswerForm view={view} execution={execution} run={run} />
  if (tab === 'rounds')
    return view.picked.round === undefined ? (
      <Rounds view={view} execution={execution} />
    ) : (
      <RoundPanel view={view} execution={execution} round={view.picked.round} />
    )
  if (tab === 'tries')
    return <Tries execution={execution} until={execution.startedAt + tookOf(execution, view.moment)} />
  if (tab === 'detail') return <Detail execution={execution} told={told} />
  if (tab === 'input') return <Input told={told} run={view} />
  return <Output told={told} view={view} execution={execution} retry={retry} over={isOver(view.latest)} />
}

function Output({
  told,
  view,
  execution,
  retry,
  over,
}: {
  told: Told | undefined
  view: RunView
  execution: Execution
  retry: (node?: string) => void
  over: boolean
}) {
  const may = useMay()
  const running = execution.status === 'running'
  const outputs = told?.outputs
  const text =
    typeof outputs?.text === 'string'
      ? outputs.text
      : running
        ? view.run.text.get(`${execution.nodeId}.text`)
        : undefined
  const reasoning = running ? view.run.text.get(`${execution.nodeId}.reasoning`) : undefined
  const { text: _text, ...rest } = outputs ?? {}
  const others = text === undefined ? (outputs ?? {}) : rest
  return (
    <>
      {execution.error && (
        <div className="err">
          <b>
            <Icon name="failed" />
            {execution.errorType || t('status.failed')}
          </b>
          <LongText text={execution.error} />
        </div>
      )}
      {execution.error && (
        <div className="row wrap">
          {may && over && execution.rounds.length === 0 && (
            <button type="button" className="btn small" onClick={() => retry(execution.nodeId)}>
              <Icon name="again" small />
              {t('retry.here')}
            </button>
          )}
          <CopyError text={execution.error} />
        </div>
      )}
      {reasoning && <Said name={t('reasoning')} text={reasoning} busy />}
      {text !== undefined && <Said name="text" text={text} busy={running} />}
      {Object.keys(others).length > 0 && <Json value={others} />}
      {told && <Cuts told={told} below="/outputs" run={view} />}
      {text === undefined && !execution.error && Object.keys(others).length === 0 && (
        <p className="dim">{t(running ? 'inspector.not_yet' : 'inspector.no_output')}</p>
      )}
    </>
  )
}

const CopyError = ({ text }: { text: string }) => (
  <span className="row">
    <Copy text={text} label={t('copy.error')} />
    <span className="dim">{t('copy.error')}</span>
  </span>
)

/** A text as text: what a model was told, or said. */
const Said = ({ name, text, busy = false }: { name: string; text: string; busy?: boolean }) => (
  <div className="msg">
    <header>
      {name}
      <span className="more">
        <Copy text={text} label={t('copy')} />
      </span>
    </header>
    <p aria-busy={busy} dir="auto">
      <LongText text={text} />
    </p>
  </div>
)

function Input({ told, run }: { told: Told | undefined; run: RunView }) {
  const prompts = told?.process_data?.prompts
  const messages = Array.isArray(prompts) ? (prompts as { role?: string; text?: string }[]) : []
  const values = told?.inputs ?? {}
  return (
    <>
      {messages.map((message, index) => (
        <Said key={index} name={String(message?.role ?? '')} text={String(message?.text ?? '')} />
      ))}
      {Object.keys(values).length > 0 ? (
        <Json value={values} />
      ) : (
        messages.length === 0 && <p className="dim">{t('inspector.no_input')}</p>
      )}
      {told && <Cuts told={told} below="/inputs" run={run} />}
      {told && <Cuts told={told} below="/process_data" run={run} />}
    </>
  )
}

/** Values that were too long for the log's page: how long, all of it, or as a file. */
export function Cuts({ told, below, run }: { told: RunEvent; below: string; run: RunView }) {
  const cuts = (told.cut ?? []).filter(cut => cut.path === below || cut.path.startsWith(`${below}/`))
  return cuts.map(cut => <Whole key={cut.path} cut={cut} position={told.id} run={run} />)
}

function Whole({ cut, position, run }: { cut: Cut; position: number; run: RunView }) {
  const [wanted, setWanted] = useState(false)
  const path = `runs/${run.runId}/log/${position}/value`
  const value = useQuery({
    queryKey: ['value', path, cut.path],
    queryFn: () => get<unknown>(path, { path: cut.path }),
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <div className="msg">
      <header>
        <span className="mono cut">{cut.path.split('/').slice(2).join('.')}</span>
        <span className="faint num size">{bytes(cut.bytes)}</span>
        <span className="more row">
          {!wanted && (
            <button type="button" className="btn plain small" onClick={() => setWanted(true)}>
              {t('cut.show')}
            </button>
          )}
          <a className="btn plain small" href={address(path, { path: cut.path, download: true })} download>
            {t('cut.download')}
          </a>
        </span>
      </header>
      {wanted &&
        (value.data === undefined ? (
          <p className="dim">{t('loading')}</p>
        ) : typeof value.data === 'string' ? (
          <pre className="whole">{visible(value.data)}</pre>
        ) : (
          <Json value={value.data} />
        ))}
    </div>
  )
}

function Tries({ execution, until }: { execution: Execution; until: number }) {
  const stretches = tries(execution, until)
  return (
    <ol className="tries">
      {stretches.map(([from, to], index) => {
        const attempt = execution.attempts[index]
        const text = attempt
          ? attempt.reason === 'interrupted'
            ? t('tries.interrupted')
            : attempt.error
          : (execution.error ?? t(execution.status === 'running' ? 'tries.going' : 'status.succeeded'))
        return (
          <li key={index}>
            <Mark status={attempt ? 'failed' : shown(execution.status)} />
            <span>
              <b>{t('tries.n', { n: count(index + 1) })}</b>
              <br />
              <span className="dim">{visible(text)}</span>
            </span>
            <span className="num dim">{duration(to - from)}</span>
          </li>
        )
      })}
    </ol>
  )
}

function Detail({ execution, told }: { execution: Execution; told: Told | undefined }) {
  const { usage, process_data: process, metadata } = told ?? {}
  const model = process?.model_name ?? told?.inputs?.model_name
  const rows: [Word, string][] = [
    ['detail.node', execution.nodeId],
    ['detail.type', execution.type],
    ['detail.execution', execution.id],
    ['detail.order', count(execution.ordinal + 1)],
    ['detail.began', clock(execution.startedAt, true)],
    ...(execution.handle ? ([['detail.handle', execution.handle]] as [Word, string][]) : []),
    ...(typeof model === 'string' ? ([['detail.model', model]] as [Word, string][]) : []),
    ...(usage?.prompt_tokens
      ? ([['detail.tokens', `${count(usage.prompt_tokens)} + ${count(usage.completion_tokens ?? 0)}`]] as [
          Word,
          string,
        ][])
      : []),
  ]
  const { prompts: _prompts, ...others } = process ?? {}
  return (
    <>
      <dl className="kv">
        {rows.map(([word, value]) => (
          <div key={word} className="pair">
            <dt>{t(word)}</dt>
            <dd className={/node|execution|handle/.test(word) ? 'mono' : ''}>{value}</dd>
          </div>
        ))}
      </dl>
      {Object.keys(others).length > 0 && <Json value={{ process_data: others }} />}
      {metadata && Object.keys(metadata).length > 0 && <Json value={{ metadata }} />}
    </>
  )
}
