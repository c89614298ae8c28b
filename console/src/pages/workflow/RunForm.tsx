import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { get, post } from '../../api/client.ts'
import type { AppDetail, RunDetail, RunPage } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { Field, fieldOf, holdsFiles, type Input, inputsOf, isText, ownedBy, sendable } from '../../parts/Fields.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { errorText, Panel } from '../../parts/Panel.tsx'
import { Wrong } from '../../parts/Wrong.tsx'
import { t, tn } from '../../words/words.ts'

/** What a form is filled with. A text that may be left out is empty, as on Dify's page, and not null. */
const defaults = (app: AppDetail): Input =>
  Object.fromEntries(
    app.form.flatMap(one =>
      one.default !== undefined && one.default !== null && one.default !== ''
        ? [[one.name, one.default]]
        : one.type === 'checkbox'
          ? [[one.name, false]]
          : isText(one) && !one.required
            ? [[one.name, '']]
            : [],
    ),
  )

/** Starts runs with the variables of the start node; of a chatflow, a conversation with a first message. What is wrong with them, the server says; it stands at its field. */
export function RunForm({ app }: { app: AppDetail }) {
  const [, to] = useLocation()
  const [values, setValues] = useState<Input>(() => defaults(app))
  const isChat = ['advanced-chat', 'chat', 'agent-chat'].includes(app.mode)
  const [message, setMessage] = useState('')
  const [user, setUser] = useState('')
  const [busy, setBusy] = useState(false)
  const [wrong, setWrong] = useState('')
  const [started, setStarted] = useState(0)
  const key = useRef(crypto.randomUUID?.() ?? String(Math.random()))
  const start = async (times: number) => {
    setBusy(true)
    setWrong('')
    setStarted(0)
    try {
      const own = await ownedBy(app.id, user, values)
      setValues(own)
      const body = { inputs: sendable(app.form, own), ...(user ? { user } : {}) }
      const ask = async (headers: Record<string, string>) => {
        const asked = { query: message, ...body }
        const { conversation_id } = await post<{ conversation_id: string }>(`apps/${app.id}/messages`, asked, {
          headers,
        })
        return `/chat/${app.id}/${conversation_id}`
      }
      const run = async (headers: Record<string, string>) =>
        `/runs/${(await post<{ run_id: string }>(`apps/${app.id}/runs`, body, { headers })).run_id}`
      let last = ''
      for (let n = 0; n < times; n++) {
        // One key for each start: a request that is sent twice starts one run.
        const headers = { 'Idempotency-Key': `${key.current}-${n}` }
        last = await (isChat ? ask : run)(headers)
      }
      key.current = crypto.randomUUID?.() ?? String(Math.random())
      if (times === 1) to(last)
      else setStarted(times)
    } catch (error) {
      setWrong(error instanceof SyntaxError ? t('form.json', { error: error.message }) : errorText(error))
      key.current = crypto.randomUUID?.() ?? String(Math.random())
      // Its button could not keep it while it was busy.
      refused.current = true
    } finally {
      setBusy(false)
    }
  }
  const refused = useRef(false)
  useEffect(() => {
    if (busy || !refused.current) return
    refused.current = false
    const field = form.current?.querySelector<HTMLElement>('[aria-invalid=true]')
    ;(field ?? form.current?.querySelector<HTMLElement>('[type=submit]'))?.focus()
  }, [busy])
  const takeOver = async (from?: string) => {
    setWrong('')
    try {
      const id = from ?? (await get<RunPage>('runs', { app: app.id, limit: 1 })).data[0]?.id
      if (!id) return setWrong(t('form.no_last'))
      const run = await get<RunDetail>(`runs/${id}`)
      // What was written meanwhile stays.
      setValues(now => ({
        ...now,
        ...Object.fromEntries(
          Object.entries(inputsOf(app.form, run.inputs)).filter(([name]) => now[name] === values[name]),
        ),
      }))
      if (isChat) {
        setMessage(now => now || String(run.inputs['sys.query'] ?? ''))
        if (holdsFiles({ files: run.inputs['sys.files'] })) setWrong(t('form.files_left'))
      }
      // Its files are its user's.
      if (holdsFiles(run.inputs)) setUser(run.user)
    } catch (error) {
      setWrong(errorText(error))
    }
  }
  // The run whose inputs are to be changed.
  const [read] = useAddress()
  const from = read('from')
  const wanted = from || read('try')
  const form = useRef<HTMLFormElement>(null)
  const begin = useRef(takeOver)
  useEffect(() => {
    if (from) void begin.current(from)
    if (wanted) form.current?.querySelector<HTMLElement>('input, textarea, select')?.focus()
  }, [from, wanted])
  const at = wrong ? fieldOf(wrong, app.form) : ''
  return (
    <Panel
      title={t(isChat ? 'page.chat' : 'runs.run')}
      beside={
        <button type="button" className="btn plain small more" onClick={() => void takeOver()}>
          {t('form.last')}
        </button>
      }
    >
      <form
        className="form"
        ref={form}
        noValidate
        onSubmit={(event: FormEvent) => {
          event.preventDefault()
          void start(1)
        }}
      >
        {app.form.map(variable => (
          <Field
            key={variable.name}
            app={app.id}
            variable={variable}
            value={values[variable.name]}
            set={value => setValues(now => ({ ...now, [variable.name]: value }))}
            wrong={at === variable.name ? wrong : undefined}
          />
        ))}
        {isChat && (
          <div className="field">
            <label htmlFor="run-message">{t('chat.message')}</label>
            <textarea
              id="run-message"
              rows={3}
              placeholder={t('chat.say')}
              value={message}
              onChange={event => setMessage(event.target.value)}
            />
          </div>
        )}
        {!isChat && app.form.length === 0 && <p className="dim">{t('form.no_fields')}</p>}
        <div className="field">
          <label htmlFor="run-user">
            {t('form.user')} <span className="hint">{t('form.optional')}</span>
          </label>
          <input
            type="text"
            id="run-user"
            placeholder="console"
            value={user}
            onChange={event => setUser(event.target.value)}
          />
        </div>
        {!at && <Wrong text={wrong} />}
        {started > 0 && (
          <p className="dim" role="status">
            {tn('form.started', started)}
          </p>
        )}
        <div className="row">
          <button type="submit" className="btn main grow" disabled={busy || (isChat && !message.trim())}>
            <Icon name={isChat ? 'send' : 'play'} />
            {t(isChat ? 'chat.send' : 'runs.run')}
          </button>
          {!isChat && (
            <button type="button" className="btn" disabled={busy} onClick={() => void start(10)}>
              {t('form.ten')}
            </button>
          )}
        </div>
      </form>
    </Panel>
  )
}
