import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { call, post } from '../../api/client.ts'
import type { AppDetail, Message } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Code } from '../../parts/Code.tsx'
import { Dialog, Ends } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { errorText } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { Wrong } from '../../parts/Wrong.tsx'
import { t } from '../../words/words.ts'

const RATINGS = ['like', 'dislike'] as const

/** What is thought of an answer: thumbs with a note, and the answer that is to be given from now on. */
export function Judge({ app, conversation, message }: { app: AppDetail; conversation: string; message: Message }) {
  const may = useMay()
  const cache = useQueryClient()
  const [noting, setNoting] = useState(false)
  const [saving, setSaving] = useState(false)
  const [wrong, setWrong] = useState('')
  const { rating } = message
  const rate = async (rating: Message['rating'], note: string) => {
    await call('PUT', `conversations/${conversation}/messages/${message.id}/rating`, { body: { rating, note } })
    await cache.invalidateQueries({ queryKey: ['messages', conversation] })
  }
  return (
    <>
      {RATINGS.map(one =>
        may && message.can_rate ? (
          <Deed
            key={one}
            icon={one}
            label={t(`rate.${one}`)}
            on={rating === one}
            act={() =>
              void rate(rating === one ? null : one, message.note).then(
                () => setWrong(''),
                error => setWrong(errorText(error)),
              )
            }
          />
        ) : (
          rating === one && (
            <span key={one} role="img" aria-label={t(`rated.${one}`)} title={t(`rated.${one}`)}>
              <Icon name={one} small />
            </span>
          )
        ),
      )}
      {may && message.can_rate && rating && <Deed icon="note" label={t('rate.note')} act={() => setNoting(true)} />}
      {may && message.status !== 'running' && (
        <Deed icon="annotate" label={t('annotate')} act={() => setSaving(true)} />
      )}
      {wrong && (
        <span className="bad" role="alert">
          {wrong}
        </span>
      )}
      {noting && (
        <Texts
          label={t('rate.note')}
          fields={[[t('rate.note.label'), message.note]]}
          optional
          save={async ([note = '']) => {
            await rate(rating, note)
            setNoting(false)
            return ''
          }}
          close={() => setNoting(false)}
        />
      )}
      {saving && (
        <Texts
          label={t('annotate')}
          fields={[
            [t('annotate.question'), message.query],
            [t('annotate.answer'), message.answer],
          ]}
          save={async ([question, answer]) => {
            const made = await post<{ answers: boolean }>(`apps/${app.id}/annotations`, { question, answer })
            return t(made.answers ? 'annotate.done' : 'annotate.off')
          }}
          close={() => setSaving(false)}
        />
      )}
    </>
  )
}

/** Something that can be done with an answer. `on`: a button that stays pressed. */
export const Deed = ({ icon, label, act, on }: { icon: string; label: string; act: () => void; on?: boolean }) => (
  <button
    type="button"
    className="btn plain icon small"
    aria-label={label}
    title={label}
    aria-pressed={on}
    onClick={act}
  >
    <Icon name={icon} small />
  </button>
)

type TextsProps = {
  label: string
  fields: readonly (readonly [label: string, text: string])[]
  optional?: boolean
  /** Returns what is said instead of the fields; `''` for nothing. */
  save: (texts: string[]) => Promise<string>
  close: () => void
}

/** A dialog with texts to write, and a button that saves them. */
function Texts({ label, fields, optional = false, save, close }: TextsProps) {
  const id = useId()
  const [texts, setTexts] = useState(() => fields.map(([, text]) => text))
  const { busy, wrong, act } = useAction()
  const [done, setDone] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void act(async () => setDone(await save(texts)))
  }
  return (
    <Dialog label={label} close={close} heading={null}>
      {done ? (
        <div className="in stack dialogbody">
          <p role="status">
            <Code text={done} />
          </p>
          <div className="row">
            <span className="grow" />
            {/* It takes the focus of the button that is gone. */}
            <button type="button" className="btn" ref={button => button?.focus()} onClick={close}>
              {t('act.over')}
            </button>
          </div>
        </div>
      ) : (
        <form className="in stack dialogbody form" onSubmit={submit}>
          {fields.map(([name], index) => (
            <div className="field" key={name}>
              <label htmlFor={`${id}${index}`}>{name}</label>
              <textarea
                id={`${id}${index}`}
                rows={index === 0 ? 2 : 6}
                dir="auto"
                value={texts[index]}
                onChange={event => setTexts(texts.with(index, event.target.value))}
              />
            </div>
          ))}
          <Wrong text={wrong} />
          <Ends close={close}>
            <button
              type="submit"
              className="btn main"
              disabled={busy || (!optional && !texts.every(text => text.trim()))}
            >
              {t('env.save')}
            </button>
          </Ends>
        </form>
      )}
    </Dialog>
  )
}
