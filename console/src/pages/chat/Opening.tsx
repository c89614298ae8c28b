import type { AppDetail } from '../../api/types.ts'
import { Field, type Input } from '../../parts/Fields.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import { t } from '../../words/words.ts'

type Props = { app: AppDetail; inputs: Input; setInputs: (inputs: Input) => void }

export function Opening({ app, inputs, setInputs }: Props) {
  const opening = app.features.opening_statement
  return (
    <div className="opening stack">
      {typeof opening === 'string' && opening ? <Markdown text={opening} /> : <p className="dim">{t('chat.begin')}</p>}
      <Inputs app={app} inputs={inputs} setInputs={setInputs} />
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
