import { Mark } from '../../parts/Icon.tsx'
import { Json } from '../../parts/Json.tsx'
import { tries } from '../../parts/StepTree.tsx'
import { shown } from '../../run/selectors.ts'
import type { Execution } from '../../run/state.ts'
import { visible } from '../../words/visible.ts'
import { clock, count, duration, t, type Word } from '../../words/words.ts'
import type { Told } from './Values.tsx'

/** Each try of a node, and why it failed. */
export function Tries({ execution, until }: { execution: Execution; until: number }) {
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

/** What is known of an execution besides its values. */
export function Detail({ execution, told }: { execution: Execution; told: Told | undefined }) {
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
