import { Panel } from '../../parts/Panel.tsx'
import { bytes, count, duration, moment, t } from '../../words/words.ts'

/** What the server says of itself, as it says it: sizes, moments and durations are known by how a name ends. */
export function Facts({ title, values }: { title: string; values: object }) {
  return (
    <Panel title={title}>
      <dl className="kv">
        {Object.entries(values).map(([name, value]) => (
          <div key={name} className="pair">
            <dt>{name.replace(/_(bytes|seconds|at)$/, '').replaceAll('_', ' ')}</dt>
            <dd>{shown(name, value)}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}

function shown(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  if (typeof value === 'number') {
    if (name.endsWith('bytes') || name === 'free') return bytes(value)
    if (name.endsWith('seconds') || name === 'uptime') return duration(value)
    if (name.endsWith('_at') || name === 'now') return moment(value)
    return count(value)
  }
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no')
  return Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)
}
