// Files that runs take and give, as their record has them.
import { useState } from 'react'
import { address, isShared } from '../api/client.ts'
import { bytes, t } from '../words/words.ts'
import { Icon } from './Icon.tsx'

type Told = {
  dify_model_identity: '__dify__file__'
  type?: string
  transfer_method?: string
  remote_url?: string | null
  related_id?: string | null
  filename?: string | null
  mime_type?: string | null
  size?: number | null
}

/** Whether a value is a file of Dify's. */
export const isKept = (value: unknown): value is Told =>
  typeof value === 'object' && value !== null && (value as Told).dify_model_identity === '__dify__file__'

/** All files in a value, each once, in the order in which they stand in it. */
export function keptIn(value: unknown, found: Told[] = []): readonly Told[] {
  if (isKept(value)) {
    if (!found.some(one => one.related_id === value.related_id && one.remote_url === value.remote_url))
      found.push(value)
  } else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) keptIn(inner, found)
  return found
}

/** A file: its name, its size, a way to have it, and a picture or what is heard itself. One elsewhere is its address. */
export function Kept({ file }: { file: Told }) {
  const [gone, setGone] = useState(false)
  const name = file.filename || file.remote_url || file.type || ''
  const path = file.related_id && !isShared() ? `files/${file.related_id}` : ''
  const kind = path !== '' && !gone ? (file.mime_type ?? '').split('/')[0] : ''
  return (
    <span className="kept">
      {kind === 'image' && <img src={address(path)} alt={name} loading="lazy" onError={() => setGone(true)} />}
      {kind === 'audio' && (
        // biome-ignore lint/a11y/useMediaCaption: nobody has written down what a workflow says
        <audio controls preload="none" src={address(path)} aria-label={name} onError={() => setGone(true)} />
      )}
      <span className="row">
        <Icon name="file" small />
        <bdi className="cut" title={name}>
          {name}
        </bdi>
        {file.size ? <span className="faint num">{bytes(file.size)}</span> : null}
        {gone && <span className="faint">{t('file.gone')}</span>}
        {path && !gone && (
          <a
            className="btn plain icon small"
            href={address(path, { as_attachment: true })}
            download={name}
            aria-label={t('file.download', { name })}
            title={t('cut.download')}
          >
            <Icon name="download" small />
          </a>
        )}
      </span>
    </span>
  )
}
