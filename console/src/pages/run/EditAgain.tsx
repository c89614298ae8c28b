import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { ApiError, get, post } from '../../api/client.ts'
import type { RetryChoice, RunDetail } from '../../api/types.ts'
import { Dialog, Ends } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { errorText, Loaded } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { listed, t } from '../../words/words.ts'
import { FAKE_MODEL, given, keyOf, mockOf, type ReadValue, readValues } from './givenValues.ts'
import { detailsOf, proposed } from './retrying.ts'

type Props = {
  run: RunDetail
  node: string
  titleOf: (node: string) => string
  close: () => void
  to: (id: string) => void
}

/** A run repeated from a node, with other values for what it reads, and with mocks for nodes that are not to run. */
export default function EditAgain({ run, node, titleOf, close, to }: Props) {
  const choices = useQuery({
    queryKey: ['retry', run.id, node],
    queryFn: () =>
      get<{ data: RetryChoice[] }>(`runs/${run.id}/retry`, { from_node_id: node, values: 1 }).then(page => page.data),
    // What is being edited stays as it is, unless another version was published.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  })
  return (
    <Dialog label={t('edit.title', { node: titleOf(node) })} close={close} className="wide" heading={null}>
      <div className="in stack dialogbody">
        <Loaded of={choices} rows={5}>
          {found => <Form run={run} node={node} choices={found} titleOf={titleOf} close={close} to={to} />}
        </Loaded>
      </div>
    </Dialog>
  )
}

function Form({ run, node, choices, titleOf, close, to }: Props & { choices: readonly RetryChoice[] }) {
  const [number, setNumber] = useState<number>()
  const [edits, setEdits] = useState<Record<string, string>>({})
  const [mocks, setMocks] = useState<Record<string, string>>({})
  const [wrong, setWrong] = useState('')
  const [busy, setBusy] = useState(false)
  const queries = useQueryClient()
  const choice = choices.find(one => one.version === number) ?? proposed(choices)
  if (!choice) return null
  const values = readValues(choice)
  const again = async (event: FormEvent) => {
    event.preventDefault()
    setWrong('')
    setBusy(true)
    try {
      const known = Object.fromEntries(
        Object.entries(mocks).filter(([id]) => choice.mockable?.some(one => one.id === id)),
      )
      const { run_id } = await post<{ run_id: string }>(`runs/${run.id}/retry`, {
        from_node_id: node,
        version: choice.version,
        current: choices[0]?.version,
        ...given(values, edits, known),
      })
      to(run_id)
    } catch (error) {
      if (error instanceof ApiError && error.status === 409)
        await queries.invalidateQueries({ queryKey: ['retry', run.id] })
      setWrong(error instanceof SyntaxError ? t('form.json', { error: error.message }) : errorText(error))
      setBusy(false)
    }
  }
  return (
    <form className="stack" onSubmit={event => void again(event)}>
      {choices.length > 1 && (
        <fieldset className="choices">
          <legend className="sr">{t('act.version')}</legend>
          {choices.map(one => (
            <label key={one.version} className="row">
              <input type="radio" name="version" checked={one === choice} onChange={() => setNumber(one.version)} />
              {t('version', { n: one.version })}
            </label>
          ))}
        </fieldset>
      )}
      {choice.why_not ? (
        <p>{t('retry.why_not', { n: choice.version, why: choice.why_not })}</p>
      ) : (
        <p className="dim edited">{detailsOf(choice, choices)}</p>
      )}
      <section className="stack" aria-label={t('edit.values')}>
        <h3>{t('edit.values')}</h3>
        {values.length === 0 && <p className="dim">{t('edit.none')}</p>}
        {values.map(one => (
          <ValueField
            key={keyOf(one)}
            value={one}
            title={one.owner === 'sys' ? 'sys' : titleOf(one.owner)}
            text={edits[keyOf(one)] ?? one.text}
            set={text => setEdits({ ...edits, [keyOf(one)]: text })}
          />
        ))}
      </section>
      {(choice.mockable?.length ?? 0) > 0 && (
        <section className="stack" aria-label={t('edit.mocks')}>
          <h3>{t('edit.mocks')}</h3>
          {choice.mockable?.map(one => (
            <div key={one.id} className="field">
              <label className="row check">
                <input
                  type="checkbox"
                  checked={one.id in mocks}
                  onChange={event => {
                    const { [one.id]: _, ...others } = mocks
                    setMocks(event.target.checked ? { ...others, [one.id]: mockOf(one) } : others)
                  }}
                />
                <span className="cut">{visible(one.title)}</span>
                {one.handles.length > 0 && (
                  <span className="hint cut">
                    {t('edit.ways', { ways: listed(one.handles.map(way => visible(way))) })}
                  </span>
                )}
              </label>
              {one.id in mocks && one.can_fake && (
                <label className="row check">
                  <input
                    type="checkbox"
                    aria-label={`${visible(one.title)}: ${t('edit.fake')}`}
                    checked={mocks[one.id] === FAKE_MODEL}
                    onChange={event =>
                      setMocks({ ...mocks, [one.id]: event.target.checked ? FAKE_MODEL : mockOf(one) })
                    }
                  />
                  {t('edit.fake')}
                </label>
              )}
              {one.id in mocks && mocks[one.id] !== FAKE_MODEL && (
                <textarea
                  rows={4}
                  className="mono"
                  aria-label={t('edit.outputs', { node: visible(one.title) })}
                  value={mocks[one.id]}
                  onChange={event => setMocks({ ...mocks, [one.id]: event.target.value })}
                />
              )}
            </div>
          ))}
        </section>
      )}
      {run.conversation_id && <p className="dim">{t('edit.chat')}</p>}
      {wrong && (
        <p className="wrong edited" role="alert">
          <Icon name="failed" small />
          {wrong.replaceAll('; ', '\n')}
        </p>
      )}
      <Ends close={close}>
        <button type="submit" className="btn main" disabled={busy || choice.why_not !== null}>
          <Icon name="again" />
          {t('edit.run')}
        </button>
      </Ends>
    </form>
  )
}

function ValueField(props: { value: ReadValue; title: string; text: string; set: (text: string) => void }) {
  const id = useId()
  const { value } = props
  return (
    <div className="field">
      <label htmlFor={id}>
        <span className="cut">{visible(props.title)}</span>
        <span className="mono cut">{visible(value.name)}</span>
        {!value.isText && <span className="hint">JSON</span>}
      </label>
      <textarea
        id={id}
        rows={value.isText && !value.text.includes('\n') && value.text.length < 80 ? 2 : 5}
        className={value.isText ? '' : 'mono'}
        value={props.text}
        onChange={event => props.set(event.target.value)}
      />
    </div>
  )
}
