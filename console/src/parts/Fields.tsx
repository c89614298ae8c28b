// The fields of a form that a workflow declares: for the start of a run, and for a form within one.
import { useId, useState } from 'react'
import { call } from '../api/client.ts'
import { numberOf, parsed, written } from '../api/json.ts'
import type { Variable } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { bytes, count, t } from '../words/words.ts'
import { Icon } from './Icon.tsx'
import { errorText } from './Panel.tsx'
import { Wrong } from './Wrong.tsx'

export type Input = Readonly<Record<string, unknown>>
type Upload = { id: string; name: string; size: number; mime_type?: string; extension?: string }
/** A file as a run takes it, with what is shown of it here. */
export type FileInput = {
  transfer_method: string
  upload_file_id?: string
  url?: string
  type: string
  name: string
  size: number
  /** What was uploaded here, and for which user: a file is its user's alone. */
  content?: File
  owner?: string
}

const upload = (app: string, content: File, user: string): Promise<Upload> => {
  const form = new FormData()
  form.append('file', content)
  if (user) form.append('user', user)
  return call<Upload>('POST', `apps/${app}/files`, { form })
}

/** The values with all files being those of a user: what was uploaded for another is uploaded once more. */
export async function ownedBy(app: string, user: string, values: Input): Promise<Input> {
  const own = async (file: FileInput): Promise<FileInput> =>
    file.content && file.owner !== user
      ? { ...file, owner: user, upload_file_id: (await upload(app, file.content, user)).id }
      : file
  const of = (value: unknown): unknown =>
    Array.isArray(value) ? Promise.all(value.map(of)) : isFile(value) ? own(value) : value
  const names = Object.keys(values)
  const found = await Promise.all(names.map(name => of(values[name])))
  return Object.fromEntries(names.map((name, index) => [name, found[index]]))
}

export const isText = ({ type }: Variable): boolean => type === 'text-input' || type === 'paragraph'
/** A text as it is sent: an empty one only if it may be left out. */
const said = (variable: Variable, text: string): string | undefined =>
  text || (isText(variable) && !variable.required ? '' : undefined)

const isFile = (value: unknown): value is FileInput =>
  typeof value === 'object' && value !== null && 'transfer_method' in value

/** The inputs of an earlier run that a form still has, as its fields take them. */
export const inputsOf = (form: readonly Variable[], inputs: Input): Input =>
  Object.fromEntries(
    form.filter(one => one.name in inputs).map(one => [one.name, asInput(inputs[one.name]) ?? undefined]),
  )

/** A value of an earlier run as a field takes it: files are told by what names them. */
export function asInput(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asInput)
  if (!isFile(value)) return value
  const told = value as Record<string, unknown>
  return {
    transfer_method: value.transfer_method,
    type: value.type,
    ...(told.related_id
      ? { upload_file_id: String(told.related_id) }
      : { url: String(told.remote_url ?? told.url ?? '') }),
    name: String(told.filename ?? ''),
    size: Number(told.size ?? 0),
  }
}

/** Whether some value is a file or has one. */
export const holdsFiles = (values: Readonly<Record<string, unknown>>): boolean =>
  Object.values(values).some(value => (Array.isArray(value) ? value.some(isFile) : isFile(value)))

type FieldProps = {
  app: string
  variable: Variable
  value: unknown
  set: (value: unknown) => void
  wrong?: string | undefined
}

export function Field({ app, variable, value, set, wrong }: FieldProps) {
  const id = useId()
  const type = variable.type
  const files = type === 'file' || type === 'file-list'
  const about = {
    id,
    'aria-invalid': wrong !== undefined,
    'aria-describedby': wrong ? `${id}-wrong` : undefined,
    required: variable.required && type !== 'checkbox',
  }
  const label = (
    <>
      {visible(variable.label || variable.name)}
      {!variable.required && <span className="hint">{t('form.optional')}</span>}
      {type === 'file-list' && variable.max_length ? (
        <span className="hint">{t('form.at_most', { n: count(variable.max_length) })}</span>
      ) : null}
    </>
  )
  return (
    <div className="field">
      {type === 'checkbox' ? null : files ? (
        <span className="label">{label}</span>
      ) : (
        <label htmlFor={id}>{label}</label>
      )}
      {type === 'select' ? (
        <select {...about} value={String(value ?? '')} onChange={event => set(event.target.value || undefined)}>
          <option value="">{t('form.choose')}</option>
          {(variable.options ?? []).map(option => (
            <option key={option}>{option}</option>
          ))}
        </select>
      ) : type === 'checkbox' ? (
        <label className="row check">
          <input type="checkbox" id={id} checked={value === true} onChange={event => set(event.target.checked)} />
          {visible(variable.label || variable.name)}
        </label>
      ) : type === 'number' ? (
        <input
          type="number"
          step="any"
          {...about}
          value={value === undefined ? '' : String(value)}
          onChange={event => set(event.target.value === '' ? undefined : numberOf(event.target.value))}
        />
      ) : files ? (
        <Files app={app} variable={variable} value={value} set={set} label={visible(variable.label || variable.name)} />
      ) : type === 'paragraph' || type === 'json_object' || type === 'json' ? (
        <textarea
          {...about}
          rows={4}
          className={type === 'paragraph' ? '' : 'mono'}
          value={typeof value === 'string' ? value : value === undefined ? '' : written(value, 2)}
          onChange={event => set(said(variable, event.target.value))}
        />
      ) : (
        <input
          type="text"
          {...about}
          value={String(value ?? '')}
          onChange={event => set(said(variable, event.target.value))}
        />
      )}
      {variable.max_length && variable.max_length <= 100_000 && isText(variable) ? (
        <span className="hint num">
          {t('form.length', { n: count([...String(value ?? '')].length), all: count(variable.max_length) })}
        </span>
      ) : null}
      <Wrong id={`${id}-wrong`} text={wrong?.includes('is required in input form') ? t('form.required') : wrong} />
    </div>
  )
}

const KINDS: readonly [string, RegExp][] = [
  ['image', /^image\//],
  ['audio', /^audio\//],
  ['video', /^video\//],
]
/** What a file is for Dify's API. */
const kindOf = (mime: string): string => KINDS.find(([, matches]) => matches.test(mime))?.[0] ?? 'document'

function Files({
  app,
  variable,
  value,
  set,
  label,
}: {
  app: string
  variable: Variable
  value: unknown
  set: (value: unknown) => void
  label: string
}) {
  const [busy, setBusy] = useState(0)
  const [error, setError] = useState('')
  const many = variable.type === 'file-list'
  const files = (many ? ((value as FileInput[] | undefined) ?? []) : value ? [value as FileInput] : []) as FileInput[]
  const add = async (chosen: Iterable<File>) => {
    setError('')
    let now = many ? files : []
    for (const file of chosen) {
      setBusy(n => n + 1)
      try {
        const done = await upload(app, file, '')
        now = [
          ...(many ? now : []),
          {
            transfer_method: 'local_file',
            upload_file_id: done.id,
            type: kindOf(file.type),
            name: file.name,
            size: file.size,
            content: file,
            owner: '',
          },
        ]
        set(many ? now : now[0])
      } catch (failure) {
        setError(errorText(failure))
      } finally {
        setBusy(n => n - 1)
      }
    }
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping and pasting are short ways to what the field does
    <div
      className="stack"
      onDragOver={event => event.preventDefault()}
      onDrop={event => {
        event.preventDefault()
        void add(event.dataTransfer.files)
      }}
      onPaste={event => event.clipboardData.files.length > 0 && void add(event.clipboardData.files)}
    >
      {files.map((file, index) => (
        <div key={`${index} ${file.upload_file_id ?? file.url}`} className="filechip">
          <Icon name="file" />
          <span className="grow cut">{file.name}</span>
          <span className="faint num">{bytes(file.size)}</span>
          <button
            type="button"
            className="btn plain icon small"
            aria-label={t('form.remove', { name: file.name })}
            onClick={() => set(many ? files.filter(other => other !== file) : undefined)}
          >
            <Icon name="close" small />
          </button>
        </div>
      ))}
      {(many || files.length === 0) && (
        <label className="drop dim">
          <Icon name="upload" />
          {t(busy > 0 ? 'form.uploading' : many ? 'form.files' : 'form.file')}
          <input
            type="file"
            className="sr"
            aria-label={label}
            multiple={many}
            accept={
              (variable.allowed_file_types ?? []).includes('image') && variable.allowed_file_types?.length === 1
                ? 'image/*'
                : undefined
            }
            onChange={event => {
              if (event.target.files) void add([...event.target.files])
              event.target.value = ''
            }}
          />
        </label>
      )}
      <Wrong text={error} />
    </div>
  )
}

/** The values as the server takes them: JSON parsed, files without what is only shown. Raises `SyntaxError`, which names the field. */
export function sendable(variables: readonly Variable[], values: Input): Record<string, unknown> {
  const file = ({ name: _name, size: _size, content: _content, owner: _owner, ...sent }: FileInput) => sent
  const out: Record<string, unknown> = {}
  for (const variable of variables) {
    const value = values[variable.name]
    if (value === undefined || value === null) continue
    if (variable.type === 'file') out[variable.name] = file(value as FileInput)
    else if (variable.type === 'file-list') out[variable.name] = (value as FileInput[]).map(file)
    else if (variable.type === 'json_object' && typeof value === 'string')
      out[variable.name] = json(variable.name, value)
    else out[variable.name] = value
  }
  return out
}

function json(name: string, text: string): unknown {
  try {
    return parsed(text)
  } catch (error) {
    throw new SyntaxError(`${name}: ${(error as SyntaxError).message}`)
  }
}

/** The field that an error names first; `''` if it names none. */
export const fieldOf = (message: string, variables: readonly Variable[]): string =>
  variables
    .map(({ name }) => ({ name, at: message.search(new RegExp(`(^|[^\\w])${name.replace(/\W/g, '\\$&')}([^\\w]|$)`)) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at || b.name.length - a.name.length)[0]?.name ?? ''
