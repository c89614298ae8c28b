import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { useLocation } from 'wouter'
import { get, post } from '../../api/client.ts'
import type { AppDetail, Message, Variable } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Field, type FileInput, type Input, sendable } from '../../parts/Fields.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import { errorText, Failure, Skeleton } from '../../parts/Panel.tsx'
import { elapsedOf, isOver, shown } from '../../run/selectors.ts'
import { clock, duration, t, tn } from '../../words/words.ts'
import { useFollower } from '../run/useRunView.ts'

type Props = { app: AppDetail; conversation: string; run: string; setRun: (run: string) => void }
type Going = { run_id: string; query: string }
const FILES: Variable = { name: 'files', label: '', type: 'file-list', required: false }

export function Talk({ app, conversation, run, setRun }: Props) {
  const may = useMay()
  const cache = useQueryClient()
  const [, to] = useLocation()
  const query = useQuery({
    queryKey: ['messages', conversation],
    queryFn: () =>
      get<{ data: Message[] }>(`conversations/${conversation}/messages`, { limit: 100 }).then(page => page.data),
    enabled: conversation !== '',
  })
  const [going, setGoing] = useState<Going | null>(null)
  const [wrong, setWrong] = useState('')
  const [inputs, setInputs] = useState<Input>({})
  // The server tells the newest first.
  const messages = (query.data ?? []).toReversed()
  const { box, behind, down } = useBottom()
  const lastRun = messages.at(-1)?.run_id ?? ''
  useEffect(() => {
    if (!run && lastRun) setRun(lastRun)
  }, [run, lastRun, setRun])
  const ask = async (text: string, files: FileInput[]) => {
    setWrong('')
    try {
      const sent = sendable([FILES, ...app.form], { ...inputs, files: files.length > 0 ? files : undefined })
      const { files: sentFiles, ...sentInputs } = sent
      const made = await post<{ conversation_id: string; run_id: string | null }>(`apps/${app.id}/messages`, {
        query: text,
        inputs: sentInputs,
        ...(conversation ? { conversation_id: conversation } : {}),
        ...(sentFiles ? { files: sentFiles } : {}),
      })
      // A question that an annotation answers has no run.
      if (made.run_id) {
        setGoing({ run_id: made.run_id, query: text })
        setRun(made.run_id)
      } else await ended()
      down()
      if (!conversation) {
        await cache.invalidateQueries({ queryKey: ['conversations', app.id] })
        to(`/chat/${app.id}/${made.conversation_id}`)
      }
      return true
    } catch (error) {
      setWrong(errorText(error))
      return false
    }
  }
  const ended = async () => {
    await Promise.all([
      cache.invalidateQueries({ queryKey: ['messages', conversation] }),
      cache.invalidateQueries({ queryKey: ['conversations', app.id] }),
    ])
    setGoing(null)
  }
  const open = messages.find(message => message.status === 'running' && message.run_id)
  const live = going ?? (open?.run_id ? { run_id: open.run_id, query: open.query } : null)
  return (
    <>
      <div className="msgs" ref={box} tabIndex={0} role="log" aria-label={t('chat.messages.label')}>
        {conversation && query.isPending && !live && <Skeleton rows={6} height={40} />}
        {query.error && messages.length === 0 ? (
          <Failure error={query.error} again={() => void query.refetch()} />
        ) : null}
        {!conversation && !live && <Opening app={app} inputs={inputs} setInputs={setInputs} />}
        {messages
          .filter(message => message.run_id !== live?.run_id)
          .map(message => (
            <div key={message.id}>
              <Question text={message.query} files={message.files} />
              <Said
                message={message}
                on={message.run_id === run}
                pick={() => message.run_id && setRun(message.run_id)}
              />
            </div>
          ))}
        {live && (
          <Live
            key={live.run_id}
            going={live}
            on={live.run_id === run}
            pick={() => setRun(live.run_id)}
            ended={() => void ended()}
          />
        )}
      </div>
      {behind && (
        <button type="button" className="btn small tobottom" onClick={down}>
          ↓ {t('chat.more')}
        </button>
      )}
      {may ? (
        <Say app={app} ask={ask} running={live?.run_id} wrong={wrong} />
      ) : (
        <p className="say dim">{t('chat.operators')}</p>
      )}
    </>
  )
}

/** Stays at the bottom while the end is seen; whoever scrolled up is not moved. */
function useBottom() {
  const box = useRef<HTMLDivElement>(null)
  const [behind, setBehind] = useState(false)
  const held = useRef(true)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const follow = () => {
      if (held.current) element.scrollTop = element.scrollHeight
      else setBehind(element.scrollHeight - element.scrollTop - element.clientHeight > 40)
    }
    const scrolled = () => {
      held.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40
      if (held.current) setBehind(false)
    }
    const watch = new MutationObserver(follow)
    watch.observe(element, { childList: true, subtree: true, characterData: true })
    element.addEventListener('scroll', scrolled, { passive: true })
    follow()
    return () => {
      watch.disconnect()
      element.removeEventListener('scroll', scrolled)
    }
  }, [])
  const down = () => {
    held.current = true
    setBehind(false)
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }
  return { box, behind, down }
}

function Opening({ app, inputs, setInputs }: { app: AppDetail; inputs: Input; setInputs: (inputs: Input) => void }) {
  const opening = app.features.opening_statement
  return (
    <div className="opening stack">
      {typeof opening === 'string' && opening ? <Markdown text={opening} /> : <p className="dim">{t('chat.begin')}</p>}
      {app.form.map(variable => (
        <Field
          key={variable.name}
          app={app.id}
          variable={variable}
          value={inputs[variable.name]}
          set={value => setInputs({ ...inputs, [variable.name]: value })}
        />
      ))}
    </div>
  )
}

/** The name of a file of a message, as its record has it. */
function fileName(file: unknown): string {
  const { filename, name, type } = (file ?? {}) as Record<string, unknown>
  return String(filename ?? name ?? type ?? '')
}

const Question = ({ text, files }: { text: string; files: Message['files'] }) => (
  <div className="q">
    <p dir="auto">
      {text}
      {files.map((file, index) => (
        <span key={index} className="tag">
          <Icon name="file" small />
          {fileName(file)}
        </span>
      ))}
    </p>
  </div>
)

function Said({ message, on, pick }: { message: Message; on: boolean; pick: () => void }) {
  return (
    <article className="a" data-on={on}>
      <div className="text" dir="auto">
        <Markdown text={message.answer} />
      </div>
      {message.error && <p className="bad">{message.error}</p>}
      <div className="meta">
        <Status status={message.status} />
        {message.elapsed != null && <span className="num">{duration(message.elapsed)}</span>}
        {message.tokens > 0 && <span className="num">{tn('tokens', message.tokens)}</span>}
        <span className="num">{clock(message.created_at)}</span>
        {message.run_id && (
          <button type="button" className="btn plain small more" aria-pressed={on} onClick={pick}>
            {t('chat.its_run')}
            <Icon name="chev" small />
          </button>
        )}
      </div>
    </article>
  )
}

function Live({ going, on, pick, ended }: { going: Going; on: boolean; pick: () => void; ended: () => void }) {
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
            <Status status={shown(run.status)} word={now ? now.title || now.type : undefined} />
            <span className="num">{duration(elapsedOf(run, follower.now()))}</span>
          </div>
        )}
        <div className="text" aria-busy={!isOver(run)} dir="auto">
          <Markdown text={text} />
        </div>
        {run.error && <p className="bad">{run.error}</p>}
        <div className="meta">
          {run.tokens > 0 && <span className="num">{tn('tokens', run.tokens)}</span>}
          <button type="button" className="btn plain small more" aria-pressed={on} onClick={pick}>
            {t('chat.its_run')}
            <Icon name="chev" small />
          </button>
        </div>
      </article>
    </>
  )
}

type SayProps = {
  app: AppDetail
  ask: (text: string, files: FileInput[]) => Promise<boolean>
  running: string | undefined
  wrong: string
}

function Say({ app, ask, running, wrong }: SayProps) {
  const [text, setText] = useState('')
  const [files, setFiles] = useState<FileInput[]>([])
  const [adding, setAdding] = useState(false)
  const upload = (app.features.file_upload ?? {}) as { enabled?: boolean }
  const send = async () => {
    if (!text.trim() || running) return
    if (await ask(text.trim(), files)) {
      setText('')
      setFiles([])
      setAdding(false)
    }
  }
  const keys = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    void send()
  }
  return (
    <div className="say">
      {wrong && (
        <p className="wrong" role="alert">
          <Icon name="failed" small />
          {wrong}
        </p>
      )}
      {adding && (
        <Field
          app={app.id}
          variable={{ ...FILES, label: t('chat.files') }}
          value={files}
          set={value => setFiles((value as FileInput[]) ?? [])}
        />
      )}
      <form
        onSubmit={(event: FormEvent) => {
          event.preventDefault()
          void send()
        }}
      >
        <textarea
          rows={Math.min(8, text.split('\n').length)}
          placeholder={t('chat.say')}
          aria-label={t('chat.message')}
          className="grow"
          value={text}
          onChange={event => setText(event.target.value)}
          onKeyDown={keys}
        />
        {upload.enabled && (
          <button
            className="btn plain icon"
            type="button"
            aria-label={t('chat.file')}
            aria-pressed={adding}
            onClick={() => setAdding(!adding)}
          >
            <Icon name="upload" />
          </button>
        )}
        {running && (
          <button
            className="btn icon"
            type="button"
            aria-label={t('chat.stop')}
            onClick={() => void post(`runs/${running}/stop`).catch(() => undefined)}
          >
            <Icon name="stop" />
          </button>
        )}
        <button
          className="btn main icon"
          type="submit"
          aria-label={t('chat.send')}
          disabled={!!running || !text.trim()}
        >
          <Icon name="send" />
        </button>
      </form>
      <p className="hint">
        <kbd>Enter</kbd> {t('chat.sends')} · <kbd>Shift</kbd> <kbd>Enter</kbd> {t('chat.line')}
      </p>
    </div>
  )
}
