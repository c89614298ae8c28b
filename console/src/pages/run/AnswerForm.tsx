import { type FormEvent, useState } from 'react'
import { post } from '../../api/client.ts'
import type { RunDetail, Variable } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Field, fieldOf, type Input, sendable } from '../../parts/Fields.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import { useAction } from '../../parts/useAction.ts'
import { Wrong } from '../../parts/Wrong.tsx'
import type { Execution } from '../../run/state.ts'
import { visible } from '../../words/visible.ts'
import { duration, t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

type FormInput = {
  type: string
  output_variable_name: string
  option_source?: { value?: unknown }
  default?: { value?: unknown }
  number_limits?: number
}
type FormAction = { id: string; title: string; button_style?: string }
type Asked = {
  form_content?: string
  inputs?: FormInput[]
  actions?: FormAction[]
  resolved_default_values?: Record<string, string>
}

/** The fields of a form as those of a start. */
const variablesOf = (inputs: readonly FormInput[]): Variable[] =>
  inputs.map(input => ({
    name: input.output_variable_name,
    label: input.output_variable_name,
    type: input.type,
    required: false,
    options: Array.isArray(input.option_source?.value) ? input.option_source.value.map(String) : [],
    ...(input.number_limits ? { max_length: input.number_limits } : {}),
  }))

export function AnswerForm({
  view,
  execution,
  run,
}: {
  view: RunView
  execution: Execution
  run: RunDetail | undefined
}) {
  const may = useMay()
  const open = view.latest.forms.find(form => form.executionId === execution.id)
  const form = view.run.forms.find(one => one.executionId === execution.id)
  const asked = (form?.form ?? {}) as unknown as Asked
  const variables = variablesOf(asked.inputs ?? [])
  const [values, setValues] = useState<Input>({ ...asked.resolved_default_values })
  const { busy, wrong, act } = useAction()
  if (!form) return null
  const answer = (action: string) =>
    act(async () => {
      // Each field has a value in an answer: an empty text, if nothing was said.
      const empty = Object.fromEntries(variables.filter(one => !one.type.startsWith('file')).map(one => [one.name, '']))
      await post(`runs/${view.runId}/forms/${formId(view, form.executionId)}`, {
        inputs: { ...empty, ...sendable(variables, values) },
        action,
      })
    })
  const at = wrong ? fieldOf(wrong, variables) : ''
  const left = form.expiresAt - view.moment
  const content = (asked.form_content ?? '').replace(/\{\{#\$output\.[^#]+#\}\}\n*/g, '').trim()
  return (
    <>
      <div className="msg">
        <header>{t('form.asked')}</header>
        <div className="asked">
          <Markdown text={content} />
        </div>
      </div>
      {open && may ? (
        <form
          className="stack form"
          onSubmit={(event: FormEvent<HTMLFormElement>) => {
            event.preventDefault()
            const by = (event.nativeEvent as SubmitEvent).submitter as HTMLButtonElement | null
            void answer(by?.value ?? asked.actions?.[0]?.id ?? '')
          }}
        >
          {variables.map(variable => (
            <Field
              key={variable.name}
              app={run?.app.id ?? ''}
              variable={variable}
              value={values[variable.name]}
              set={value => setValues({ ...values, [variable.name]: value })}
              wrong={at === variable.name ? wrong : undefined}
            />
          ))}
          {!at && <Wrong text={wrong} />}
          <div className="row wrap">
            {(asked.actions ?? []).map(action => (
              <button
                key={action.id}
                type="submit"
                value={action.id}
                disabled={busy}
                className={`btn ${action.button_style === 'primary' ? 'main' : action.button_style === 'ghost' ? 'plain' : ''}`}
              >
                {visible(action.title)}
              </button>
            ))}
          </div>
        </form>
      ) : (
        <p className="dim">{t(open ? 'form.operators' : 'form.closed')}</p>
      )}
      {open && form.expiresAt > 0 && <p className="faint">{t('form.left', { time: duration(Math.max(0, left)) })}</p>}
    </>
  )
}

function formId(view: RunView, execution: string): string {
  const event = view.follower.log.events.findLast(
    one => one.event === 'form_requested' && one.execution_id === execution,
  )
  return event?.event === 'form_requested' ? event.form_id : ''
}
