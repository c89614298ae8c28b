import { type ReactNode, useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { useApps } from '../../api/queries.ts'
import type { Run } from '../../api/types.ts'
import { announce } from '../../app/announce.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { keep } from '../../parts/keep.ts'
import { errorText, Failure, Skeleton } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { count, t, tn } from '../../words/words.ts'
import { type Deed, deedOf, fitting, MOST, matching, toEach } from './acting.ts'
import type { Filter } from './filter.ts'

/** Failures that are told. */
const TOLD = 20
type Refused = readonly [run: Run, error: unknown]

/** One thing done to many runs: what it will be, how far it is, and what came of it. `of`: some, or all of a filter. */
export default function ActOn({ deed, of, close }: { deed: Deed; of: readonly Run[] | Filter; close: () => void }) {
  const apps = useApps()
  const [found, setFound] = useState<readonly [runs: readonly Run[], more: boolean] | { error: unknown }>()
  const [current, setCurrent] = useState(true)
  const [done, setDone] = useState(-1)
  const [over, setOver] = useState(false)
  const [refused, setRefused] = useState<readonly Refused[]>([])
  const stop = useRef(new AbortController())
  useEffect(() => {
    const reading = new AbortController()
    const told = Array.isArray(of)
      ? Promise.resolve([fitting(deed, of as readonly Run[]), false] as const)
      : matching(deed, of as Filter, reading.signal)
    told.then(setFound).catch((error: unknown) => reading.signal.aborted || setFound({ error }))
    return () => reading.abort()
  }, [deed, of])
  // What is under way ends with the page that shows it.
  useEffect(() => {
    const controller = stop.current
    return () => controller.abort()
  }, [])
  if (!found || !apps.data || 'error' in found) {
    return (
      <Frame deed={deed} close={close}>
        {found && 'error' in found ? <Failure error={found.error} /> : <Skeleton rows={3} />}
      </Frame>
    )
  }
  const [runs, more] = found
  const begin = async () => {
    stop.current = new AbortController()
    setDone(0)
    const lines: string[] = []
    await toEach(
      runs,
      deedOf(deed, current, apps.data, line => lines.push(line)),
      (n, failed) => {
        setDone(n)
        if (failed) setRefused(all => [...all, failed])
      },
      stop.current.signal,
    )
    if (lines.length > 0) await keep(new Response(`${lines.join('\n')}\n`), 'runs.jsonl')
    setOver(true)
  }
  const summary = tn('act.done', done - refused.length, { all: count(runs.length) })
  return (
    <Frame deed={deed} close={close}>
      {done < 0 ? (
        <>
          <p>
            {tn(`act.${deed}`, runs.length)}
            {more && ` ${t('act.most', { n: count(MOST) })}`}
          </p>
          {deed === 'retry' && (
            <fieldset className="choices">
              <legend className="sr">{t('act.version')}</legend>
              {[true, false].map(is => (
                <label key={String(is)} className="row">
                  <input type="radio" name="version" checked={current === is} onChange={() => setCurrent(is)} />
                  {t(is ? 'act.version.current' : 'act.version.own')}
                </label>
              ))}
            </fieldset>
          )}
        </>
      ) : (
        <>
          <progress max={runs.length} value={done} aria-label={t(`act.${deed}.title`)} />
          <p>
            {over ? <Said text={summary} /> : t('runs.of', { n: count(done), all: count(runs.length) })}
            {refused.length > 0 && ` · ${tn('act.refused', refused.length)}`}
          </p>
          {refused.length > 0 && (
            <ul className="refused">
              {refused.slice(0, TOLD).map(([run, error]) => (
                <li key={run.id}>
                  <Link href={`/runs/${run.id}`} className="mono">
                    {run.id.slice(-4)}
                  </Link>{' '}
                  {visible(run.app.name)}: {errorText(error)}
                </li>
              ))}
            </ul>
          )}
        </>
      )}
      <div className="row">
        <span className="grow" />
        {done < 0 ? (
          <>
            <button type="button" className="btn" onClick={close}>
              {t('cancel')}
            </button>
            <button
              type="button"
              className={`btn ${deed === 'delete' ? 'bad' : 'main'}`}
              disabled={runs.length === 0}
              onClick={() => void begin()}
            >
              {t(`act.${deed}.title`)}
            </button>
          </>
        ) : (
          <Last
            key={String(over)}
            act={over ? close : () => stop.current.abort()}
            label={t(over ? 'act.over' : 'act.halt')}
          />
        )}
      </div>
    </Frame>
  )
}

const Frame = ({ deed, close, children }: { deed: Deed; close: () => void; children: ReactNode }) => (
  <Dialog label={t(`act.${deed}.title`)} close={close} heading={null}>
    <div className="in stack dialogbody">{children}</div>
  </Dialog>
)

/** The button that is left: it takes the focus of the one that it takes the place of. */
function Last({ act, label }: { act: () => void; label: string }) {
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => button.current?.focus(), [])
  return (
    <button type="button" className="btn" ref={button} onClick={act}>
      {label}
    </button>
  )
}

function Said({ text }: { text: string }) {
  useEffect(() => announce(text), [text])
  return text
}
