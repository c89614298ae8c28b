import { useEffect, useRef, useSyncExternalStore } from 'react'
import type { AppDetail, Message } from '../../api/types.ts'
import { Copy } from '../../parts/copy.tsx'
import { Hits, hitsOf } from '../../parts/Hits.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { isKept, Kept } from '../../parts/Kept.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import { Pieces } from '../../parts/Pieces.tsx'
import { elapsedOf, isOver, shown } from '../../run/selectors.ts'
import { visible } from '../../words/visible.ts'
import { clock, duration, t, tn } from '../../words/words.ts'
import { useFollower } from '../run/useRunView.ts'
import { Deed, Judge } from './Judge.tsx'
import type { Going } from './Talk.tsx'

/** The name of a file of a message, as its record has it. */
function fileName(file: unknown): string {
  const { filename, name, type } = (file ?? {}) as Record<string, unknown>
  return visible(String(filename ?? name ?? type ?? ''))
}

export const Question = ({ text, files }: { text: string; files: Message['files'] }) => (
  <div className="q">
    <p dir="auto">
      <Pieces text={visible(text)} />
      {files.map((file, index) => (
        <span key={index} className="tag">
          <Icon name="file" small />
          {fileName(file)}
        </span>
      ))}
    </p>
  </div>
)

type SaidProps = {
  app: AppDetail
  conversation: string
  message: Message
  on: boolean
  pick: () => void
  /** Ask the same once more. */
  again?: (() => void) | undefined
}

export function Said({ app, conversation, message, on, pick, again }: SaidProps) {
  const sources = hitsOf(message.sources) ?? []
  return (
    <article className="a" data-on={on}>
      <div className="text" dir="auto">
        <Markdown text={message.answer} />
      </div>
      {message.answer_files.filter(isKept).map((file, index) => (
        <Kept key={index} file={file} />
      ))}
      {message.error && <p className="bad">{visible(message.error)}</p>}
      {sources.length > 0 && (
        <details className="sources">
          <summary>{tn('chat.sources', sources.length)}</summary>
          <Hits list={sources} />
        </details>
      )}
      <div className="meta">
        <Status status={message.status} />
        {message.elapsed != null && <span className="num">{duration(message.elapsed)}</span>}
        {message.tokens > 0 && <span className="num">{tn('tokens', message.tokens)}</span>}
        <span className="num">{clock(message.created_at)}</span>
        <span className="deeds">
          {message.answer && <Copy text={message.answer} label={t('chat.copy')} />}
          {again && <Deed icon="again" label={t('chat.again')} act={again} />}
          <Judge app={app} conversation={conversation} message={message} />
        </span>
        {message.run_id && <ItsRun on={on} pick={pick} />}
      </div>
      {message.note && (
        <p className="dim small" dir="auto">
          {t('rate.said', { note: visible(message.note) })}
        </p>
      )}
    </article>
  )
}

export function Live({ going, on, pick, ended }: { going: Going; on: boolean; pick: () => void; ended: () => void }) {
  const follower = useFollower(going.run_id)
  const { run, phase } = useSyncExternalStore(follower.subscribe, follower.snapshot)
  const then = useRef(ended)
  then.current = ended
  useEffect(() => {
    if (phase === 'ended') then.current()
  }, [phase])
  const text = [...run.text]
    .filter(([key]) => !key.endsWith('.reasoning'))
    .map(([, part]) => part)
    .join('')
  const now = run.executions.findLast(one => one.status === 'running')
  const over = isOver(run)
  // Each part stands where that of the whole answer will.
  return (
    <article className="a" data-on={on}>
      <div className="text" aria-busy={!over} dir="auto">
        <Markdown text={text} />
      </div>
      {run.error && <p className="bad">{visible(run.error)}</p>}
      <div className="meta">
        <Status status={shown(run.status)} word={!over && now ? visible(now.title || now.type) : undefined} />
        <span className="num">{duration(elapsedOf(run, follower.now()))}</span>
        {run.tokens > 0 && <span className="num">{tn('tokens', run.tokens)}</span>}
        <ItsRun on={on} pick={pick} />
      </div>
    </article>
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
