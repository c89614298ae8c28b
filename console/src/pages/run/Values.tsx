import type { RetryChoice } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Hits, hitsOf } from '../../parts/Hits.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Json, LongText } from '../../parts/Json.tsx'
import type { RunEvent, Values } from '../../run/events.ts'
import { saidOf } from '../../run/selectors.ts'
import type { Execution } from '../../run/state.ts'
import { kindName } from '../../words/codes.ts'
import { t } from '../../words/words.ts'
import { Cuts } from './Cuts.tsx'
import { fromHere, otherChoices } from './retrying.ts'
import type { RunView } from './useRunView.ts'

/** An event that has values of an execution. */
export type Told = RunEvent & {
  inputs?: Values
  outputs?: Values
  process_data?: Values
  usage?: { prompt_tokens?: number; completion_tokens?: number }
  metadata?: Values
}

export type Ended = {
  execution: Execution
  choices?: readonly RetryChoice[]
  retry?: (version?: number) => void
  edit?: () => void
  over?: boolean
}

/** Why a node failed, and what can be done. */
export function Why({ execution, choices = [], retry, edit, over }: Ended) {
  const may = useMay()
  if (!execution.error) return null
  return (
    <>
      <div className="err">
        <b>
          <Icon name="failed" />
          {execution.errorType ? kindName(execution.errorType) : t('status.failed')}
        </b>
        <LongText text={execution.error} />
      </div>
      <div className="row wrap">
        {may && over && execution.rounds.length === 0 && (
          <>
            <button type="button" className="btn small" onClick={() => retry?.()}>
              <Icon name="again" small />
              {fromHere(choices)}
            </button>
            {otherChoices(choices).map(one => (
              <button key={one.version} type="button" className="btn small" onClick={() => retry?.(one.version)}>
                {one.label}
              </button>
            ))}
            <button type="button" className="btn small" onClick={edit}>
              <Icon name="edit" small />
              {t('edit.here')}
            </button>
          </>
        )}
        <CopyError text={execution.error} />
      </div>
    </>
  )
}

/** What a node gave, or why it failed. */
export function Output({
  told,
  view,
  ...ended
}: Ended & { told: Told | undefined; view: Pick<RunView, 'runId' | 'run'> }) {
  const { execution } = ended
  const running = execution.status === 'running'
  const outputs = told?.outputs
  const text =
    typeof outputs?.text === 'string' ? outputs.text : outputs === undefined ? saidOf(view.run, execution) : undefined
  const reasoning = running ? view.run.text.get(`${execution.nodeId}.reasoning`) : undefined
  const { text: _text, ...rest } = outputs ?? {}
  const hits = execution.type === 'knowledge-retrieval' ? hitsOf(outputs?.result) : undefined
  const others = text === undefined ? (outputs ?? {}) : rest
  return (
    <>
      <Why {...ended} />
      {reasoning && <Said name={t('reasoning')} text={reasoning} busy />}
      {text !== undefined && <Said name="text" text={text} busy={running} />}
      {hits ? <Hits list={hits} /> : Object.keys(others).length > 0 && <Json value={others} />}
      {told && <Cuts told={told} below="/outputs" run={view} />}
      {text === undefined && !execution.error && Object.keys(others).length === 0 && (
        <p className="dim">{t(running ? 'inspector.not_yet' : 'inspector.no_output')}</p>
      )}
    </>
  )
}

const CopyError = ({ text }: { text: string }) => <Copy text={text} label={t('copy.error')} words />

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

/** What a node was given; of a model, what it was told. */
export function Input({ told, run }: { told: Told | undefined; run: Pick<RunView, 'runId'> }) {
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
