import { useEffect, useRef, useSyncExternalStore } from 'react'
import type { Message } from '../../api/types.ts'
import { Copy } from '../../parts/copy.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import { elapsedOf, isOver, shown } from '../../run/selectors.ts'
import { visible } from '../../words/visible.ts'
import { clock, duration, t, tn } from '../../words/words.ts'
import { useFollower } from '../run/useRunView.ts'
import type { Going } from './Talk.tsx'

/** The name of a file of a message, as its record has it. */
function fileName(file: unknown): string {
  const { filename, name, type } = (file ?? {}) as Record<string, unknown>
  return visible(String(filename ?? name ?? type ?? ''))
}

export const Question = ({ text, files }: { text: string; files: Message['files'] }) => (
  <div className="q">
    <p dir="auto">
      {visible(text)}
      {files.map((file, index) => (
        <span key={index} className="tag">
          <Icon name="file" small />
          {fileName(file)}
        </span>
      ))}
    </p>
  </div>
)

export function Said({
  message,
  on,
  pick,
  again,
}: {
  message: Message
  on: boolean
  pick: () => void
  /** Ask the same once more. */
  again?: (() => void) | undefined
}) {
  return (
    <article className="a" data-on={on}>
      <div className="text" dir="auto">
        <Markdown text={message.answer} />
      </div>
      {message.error && <p className="bad">{visible(message.error)}</p>}
      <div className="meta">
        <Status status={message.status} />
        {message.elapsed != null && <span className="num">{duration(message.elapsed)}</span>}
        {message.tokens > 0 && <span className="num">{tn('tokens', message.tokens)}</span>}
        <span className="num">{clock(message.created_at)}</span>
        {message.answer && <Copy text={message.answer} label={t('chat.copy')} />}
        {again && (
          <button
            type="button"
            className="btn plain icon small"
            aria-label={t('chat.again')}
            title={t('chat.again')}
            onClick={again}
          >
            <Icon name="again" small />
          </button>
        )}
        {message.run_id && <ItsRun on={on} pick={pick} />}
      </div>
    </article>
  )
}

export function Live({ going, on, pick, ended }: { going: Going; on: boolean; pick: () => void; ended: () => void }) {
  const follower = useFollower(going.run_id)
  const { run, phase } = useSyncExternalStore(follower.subscribe, follower.snapshot)
  const over = useRef(ended)
  over.current = ended
  useEffect(() => {
    if (phase === 'ended') over.current()
  }, [phase])
  const text = [...run.text]
    .filter(([key]) => !key.endsWith('.reasoning'))
    .map(([, part]) => part)
    .join('')
  const now = run.executions.findLast(one => one.status === 'running')
  return (
    <>
      <Question text={going.query} files={[]} />
      <article className="a" data-on={on}>
        {!isOver(run) && (
          <div className="think">
            <Status status={shown(run.status)} word={now ? visible(now.title || now.type) : undefined} />
            <span className="num">{duration(elapsedOf(run, follower.now()))}</span>
          </div>
        )}
        <div className="text" aria-busy={!isOver(run)} dir="auto">
          <Markdown text={text} />
        </div>
        {run.error && <p className="bad">{visible(run.error)}</p>}
        <div className="meta">
          {run.tokens > 0 && <span className="num">{tn('tokens', run.tokens)}</span>}
          <ItsRun on={on} pick={pick} />
        </div>
      </article>
    </>
  )
}

function ItsRun({ on, pick }: { on: boolean; pick: () => void }) {
  return (
    <button type="button" className="btn plain small more" aria-pressed={on} onClick={pick}>
      {t('chat.its_run')}
      <Icon name="chev" small />
    </button>
  )
}
