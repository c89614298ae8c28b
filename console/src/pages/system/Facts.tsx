import type { System } from '../../api/types.ts'
import { Panel } from '../../parts/Panel.tsx'
import { bytes, count, duration, t, type Word, when } from '../../words/words.ts'

const NONE = '–'

/** Where runs are kept, and how much of it there is. */
export function Store({ data }: { data: System }) {
  const { store } = data
  return (
    <Facts
      title={t('system.store')}
      rows={[
        ['store.engine', store.engine],
        [
          'store.size',
          store.bytes === 0 // its server knows
            ? NONE
            : store.wal > 0
              ? t('store.with_wal', { file: bytes(store.bytes), wal: bytes(store.wal) })
              : bytes(store.bytes),
        ],
        ['page.runs', count(store.runs)],
        ['store.oldest', store.oldest_at == null ? NONE : when(store.oldest_at)],
        [
          'store.files',
          store.files === 0 ? '0' : t('store.files_of', { n: count(store.files), size: bytes(store.file_bytes) }),
        ],
        ['store.free', bytes(store.free)],
        ['store.commit', store.commit == null ? NONE : duration(store.commit)],
        ['store.path', store.path, 'mono'],
      ]}
    />
  )
}

/** The process that answers. */
export function Server({ data }: { data: System }) {
  const { server, process } = data
  return (
    <Facts
      title={t('system.server')}
      rows={[
        ['server.version', server.version],
        ['server.python', process.python],
        ['server.pid', String(process.pid)],
        ['server.memory', process.memory == null ? NONE : bytes(process.memory)],
        ['server.began', when(process.began_at)],
        ['server.url', server.public_url || NONE, 'mono'],
      ]}
    />
  )
}

type Row = readonly [name: Word, value: string, look?: string]

const Facts = ({ title, rows }: { title: string; rows: readonly Row[] }) => (
  <Panel title={title}>
    <dl className="kv">
      {rows.map(([name, value, look]) => (
        <div key={name} className="pair">
          <dt>{t(name)}</dt>
          <dd className={look}>{value}</dd>
        </div>
      ))}
    </dl>
  </Panel>
)
