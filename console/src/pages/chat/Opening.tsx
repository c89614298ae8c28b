import type { AppDetail } from '../../api/types.ts'
import { Field, type Input } from '../../parts/Fields.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import { visible } from '../../words/visible.ts'
import { t } from '../../words/words.ts'

type Props = { app: AppDetail; inputs: Input; setInputs: (inputs: Input) => void }

/** What a conversation begins with. `ask` sends a question that the app suggests. */
export function Opening({ app, inputs, setInputs, ask }: Props & { ask?: ((text: string) => void) | undefined }) {
  const opening = app.features.opening_statement
  return (
    <div className="opening stack">
      {typeof opening === 'string' && opening ? <Markdown text={opening} /> : <p className="dim">{t('chat.begin')}</p>}
      <Inputs app={app} inputs={inputs} setInputs={setInputs} />
      {ask && <Suggested questions={app.features.suggested_questions} ask={ask} />}
    </div>
  )
}

export function Suggested({ questions, ask }: { questions: unknown; ask: (text: string) => void }) {
  const told = Array.isArray(questions) ? questions.filter(one => typeof one === 'string' && one.trim()) : []
  if (told.length === 0) return null
  return (
    // biome-ignore lint/a11y/useSemanticElements: buttons that go together, no fields of a form
    <div className="row wrap" role="group" aria-label={t('chat.suggested')}>
      {told.map(question => (
        <button key={question} type="button" className="btn" dir="auto" onClick={() => ask(question)}>
          {visible(question)}
        </button>
      ))}
    </div>
  )
}

/** The fields of a conversation. */
export const Inputs = ({ app, inputs, setInputs }: Props) =>
  app.form.map(variable => (
    <Field
      key={variable.name}
      app={app.id}
      variable={variable}
      value={inputs[variable.name]}
      set={value => setInputs({ ...inputs, [variable.name]: value })}
    />
  ))
