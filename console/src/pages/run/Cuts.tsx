import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { address, get } from '../../api/client.ts'
import { Json } from '../../parts/Json.tsx'
import { Pieces } from '../../parts/Pieces.tsx'
import type { Cut, RunEvent } from '../../run/events.ts'
import { visible } from '../../words/visible.ts'
import { bytes, t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

/** Values that were too long for the log's page: how long, all of it, or as a file. */
export function Cuts({ told, below, run }: { told: RunEvent; below: string; run: Pick<RunView, 'runId'> }) {
  const cuts = (told.cut ?? []).filter(cut => cut.path === below || cut.path.startsWith(`${below}/`))
  return cuts.map(cut => <Whole key={cut.path} cut={cut} position={told.id} run={run} />)
}

function Whole({ cut, position, run }: { cut: Cut; position: number; run: Pick<RunView, 'runId'> }) {
  const [wanted, setWanted] = useState(false)
  const path = `runs/${run.runId}/log/${position}/value`
  const value = useQuery({
    queryKey: ['value', path, cut.path],
    queryFn: () => get<unknown>(path, { path: cut.path }),
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <div className="msg">
      <header>
        <span className="mono cut">{cut.path.split('/').slice(2).join('.')}</span>
        <span className="faint num size">{bytes(cut.bytes)}</span>
        <span className="more row">
          {!wanted && (
            <button type="button" className="btn plain small" onClick={() => setWanted(true)}>
              {t('cut.show')}
            </button>
          )}
          <a className="btn plain small" href={address(path, { path: cut.path, download: true })} download>
            {t('cut.download')}
          </a>
        </span>
      </header>
      {wanted &&
        (value.data === undefined ? (
          <p className="dim">{t('loading')}</p>
        ) : typeof value.data === 'string' ? (
          <pre className="whole">
            <Pieces text={visible(value.data)} />
          </pre>
        ) : (
          <Json value={value.data} />
        ))}
    </div>
  )
}
