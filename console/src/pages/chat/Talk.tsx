import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { get, post } from '../../api/client.ts'
import { useMessages } from '../../api/queries.ts'
import type { AppDetail, RunDetail } from '../../api/types.ts'
import { useMay, useWho } from '../../app/Shell.tsx'
import { type FileInput, fieldOf, type Input, inputsOf, sendable } from '../../parts/Fields.tsx'
import { errorText, Failure, More, Skeleton } from '../../parts/Panel.tsx'
import { t } from '../../words/words.ts'
import { Live, Question, Said } from './Messages.tsx'
import { Inputs, Opening, Suggested } from './Opening.tsx'
import { FILES, Say } from './Say.tsx'
import { useBottom } from './useBottom.ts'

type Props = {
  app: AppDetail
  conversation: string
  run: string
  setRun: (run: string) => void
  /** Show the run behind an answer, where it is not shown beside. */
  look: (run: string) => void
  /** Go on in the conversation that began with a question. */
  began: (conversation: string, run: string) => void
}

export type Going = { run_id: string; query: string }

export function Talk({ app, conversation, run, setRun, look, began }: Props) {
  const may = useMay()
  const { name } = useWho()
  const cache = useQueryClient()
  const query = useMessages(conversation)
  const [going, setGoing] = useState<Going | null>(null)
  const [answered, setAnswered] = useState('')
  const [wrong, setWrong] = useState('')
  const [inputs, setInputs] = useState<Input>({})
  // The server tells the newest first.
  const messages = (query.data ?? []).toReversed()
  const open = messages.find(message => message.status === 'running' && message.run_id)
  const live = going ?? (open?.run_id ? { run_id: open.run_id, query: open.query } : null)
  const { box, behind, down } = useBottom(live !== null)
  const lastRun = messages.at(-1)?.run_id ?? ''
  useEffect(() => {
    if (!run && lastRun) setRun(lastRun)
  }, [run, lastRun, setRun])
  const busy = useRef(false)
  const ask = async (text: string, files: FileInput[]) => {
    // A double click, or Enter twice, asks once.
    if (busy.current) return false
    busy.current = true
    setWrong('')
    try {
      // A conversation goes on with the inputs of its last answer.
      const last = lastRun && app.form.length > 0 ? await get<RunDetail>(`runs/${lastRun}`).catch(() => null) : null
      const given = { ...inputsOf(app.form, last?.inputs ?? {}), ...inputs }
      const sent = sendable([FILES, ...app.form], { ...given, files: files.length > 0 ? files : undefined })
      const { files: sentFiles, ...sentInputs } = sent
      const made = await post<{ conversation_id: string; run_id: string | null }>(`apps/${app.id}/messages`, {
        query: text,
        inputs: sentInputs,
        ...(conversation ? { conversation_id: conversation } : {}),
        ...(sentFiles ? { files: sentFiles } : {}),
      })
      // A question that an annotation answers has no run.
      if (made.run_id) setGoing({ run_id: made.run_id, query: text })
      began(made.conversation_id, made.run_id ?? '')
      down()
      // With its message come the variables beside it.
      const known = Promise.all([
        cache.invalidateQueries({ queryKey: ['messages', made.conversation_id] }),
        cache.invalidateQueries({ queryKey: ['conversations', app.id] }),
      ])
      if (!made.run_id) await known
      return true
    } catch (error) {
      setWrong(errorText(error))
      return false
    } finally {
      busy.current = false
    }
  }
  const ended = async () => {
    await Promise.all([
      cache.invalidateQueries({ queryKey: ['messages', conversation] }),
      cache.invalidateQueries({ queryKey: ['conversations', app.id] }),
    ])
    setAnswered(live?.run_id ?? '')
    setGoing(null)
  }
  return (
    <>
      <div className="msgs" ref={box} tabIndex={0} role="log" aria-label={t('chat.messages.label')}>
        {conversation && query.isPending && !live && <Skeleton rows={6} height={40} />}
        {query.error && messages.length === 0 ? (
          <Failure error={query.error} again={() => void query.refetch()} />
        ) : null}
        {!conversation && !live && (
          <Opening
            app={app}
            inputs={inputs}
            setInputs={setInputs}
            ask={may ? question => void ask(question, []) : undefined}
          />
        )}
        <More of={query}>{t('chat.older')}</More>
        {messages
          .filter(message => message.run_id !== live?.run_id)
          .map(message => (
            <div key={message.id}>
              <Question text={message.query} files={message.files} />
              <Said
                app={app}
                conversation={conversation}
                message={message}
                on={message.run_id === run}
                pick={() => message.run_id && look(message.run_id)}
                again={
                  may && !live && message === messages.at(-1) && message.files.length === 0
                    ? () => void ask(message.query, [])
                    : undefined
                }
              />
            </div>
          ))}
        {live && (
          <div key={live.run_id}>
            <Question text={live.query} files={messages.find(one => one.run_id === live.run_id)?.files ?? []} />
            <Live going={live} on={live.run_id === run} pick={() => look(live.run_id)} ended={() => void ended()} />
          </div>
        )}
        {conversation && wrong && fieldOf(wrong, app.form) && (
          <div className="opening stack">
            <Inputs app={app} inputs={inputs} setInputs={setInputs} />
          </div>
        )}
      </div>
      {behind && (
        <button type="button" className="btn small tobottom" onClick={down}>
          ↓ {t('chat.more')}
        </button>
      )}
      {may && suggests(app) && (
        // Its place is kept, so that nothing moves when they come.
        <div className="next">
          {!live && answered && answered === lastRun && messages.at(-1)?.status.endsWith('succeeded') && (
            <Next
              conversation={conversation}
              message={messages.at(-1)?.id ?? ''}
              ask={question => void ask(question, [])}
            />
          )}
        </div>
      )}
      {may ? (
        <Say
          app={app}
          draft={`jikko.draft.${name}.${app.id}.${conversation}`}
          ask={ask}
          running={live?.run_id}
          wrong={wrong}
        />
      ) : (
        <p className="say dim">{t('chat.operators')}</p>
      )}
    </>
  )
}

const suggests = (app: AppDetail): boolean =>
  (app.features.suggested_questions_after_answer as { enabled?: boolean } | undefined)?.enabled === true

type NextProps = { conversation: string; message: string; ask: (text: string) => void }

/** The questions that may follow the answer that has just come. */
function Next({ conversation, message, ask }: NextProps) {
  const { data } = useQuery({
    queryKey: ['suggested', message],
    queryFn: () => get<{ data: string[] }>(`conversations/${conversation}/messages/${message}/suggested`),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
  return <Suggested questions={data?.data} ask={ask} />
}
