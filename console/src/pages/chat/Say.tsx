import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { post } from '../../api/client.ts'
import type { AppDetail, Variable } from '../../api/types.ts'
import { store, stored } from '../../app/storage.ts'
import { Field, type FileInput } from '../../parts/Fields.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { t } from '../../words/words.ts'

export const FILES: Variable = { name: 'files', label: '', type: 'file-list', required: false }

type SayProps = {
  app: AppDetail
  /** The name under which the tab keeps what is not sent yet: `jikko.draft.…`, until somebody signs out. */
  draft: string
  ask: (text: string, files: FileInput[]) => Promise<boolean>
  running: string | undefined
  wrong: string
}

export function Say({ app, draft, ask, running, wrong }: SayProps) {
  const [text, setText] = useState(() => stored(draft, 'sessionStorage') ?? '')
  const field = useRef<HTMLTextAreaElement>(null)
  // What is on its way is kept until it is taken, before what is written meanwhile.
  const [sent, setSent] = useState('')
  const kept = [sent, text].filter(Boolean).join('\n')
  const place = useRef(draft)
  const written = useRef(text)
  written.current = text
  useEffect(() => {
    // A conversation that began has another place for what is not sent.
    if (place.current !== draft) store(place.current, undefined, 'sessionStorage')
    place.current = draft
    store(draft, kept || undefined, 'sessionStorage')
  }, [draft, kept])
  const [files, setFiles] = useState<FileInput[]>([])
  const [adding, setAdding] = useState(false)
  const upload = (app.features.file_upload ?? {}) as { enabled?: boolean }
  const send = async () => {
    if (!text.trim() || running || sent) return
    setSent(text)
    setText('')
    const taken = await ask(text.trim(), files)
    setSent('')
    // A page that was left meanwhile stores nothing any more.
    if (taken) store(place.current, written.current || undefined, 'sessionStorage')
    if (!taken) return setText(now => [text, now].filter(Boolean).join('\n'))
    setFiles(now => now.filter(file => !files.includes(file)))
    setAdding(false)
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
          ref={field}
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
        {/* One button, which stays where it is, and keeps the focus. */}
        <button
          className={`btn icon ${running ? '' : 'main'}`}
          type={running ? 'button' : 'submit'}
          aria-label={t(running ? 'chat.stop' : 'chat.send')}
          disabled={!running && !text.trim()}
          onClick={() => {
            if (!running) return
            void post(`runs/${running}/stop`).catch(() => undefined)
            field.current?.focus()
          }}
        >
          <Icon name={running ? 'stop' : 'send'} />
        </button>
      </form>
      <p className="hint">
        <kbd>Enter</kbd> {t('chat.sends')} · <kbd>Shift</kbd> <kbd>Enter</kbd> {t('chat.line')}
      </p>
    </div>
  )
}
