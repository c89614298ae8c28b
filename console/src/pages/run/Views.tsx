import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, useState } from 'react'
import { store, stored } from '../../app/storage.ts'
import { PRINTED, usePrinting } from '../../app/usePrinting.ts'
import { Copy } from '../../parts/copy.tsx'
import { statusWord } from '../../parts/Icon.tsx'
import { Json } from '../../parts/Json.tsx'
import { Kept, keptIn } from '../../parts/Kept.tsx'
import { Markdown } from '../../parts/Markdown.tsx'
import type { RunEvent } from '../../run/events.ts'
import { isOver } from '../../run/selectors.ts'
import { visible } from '../../words/visible.ts'
import { clock, count, t } from '../../words/words.ts'
import { Cuts } from './Cuts.tsx'
import type { RunView } from './useRunView.ts'

const RAW = 'jikko.raw'

/** The text that the run has shown so far, or the texts of its outputs: as Markdown or as it is, which the browser keeps. */
export function Answer({ view }: { view: RunView }) {
  const [raw, setRaw] = useState(stored(RAW) !== null)
  const texts = [...view.run.text].filter(([key]) => !key.endsWith('.reasoning')).map(([, text]) => text)
  const end = view.run.outputsIn === undefined ? undefined : view.follower.log.events[view.run.outputsIn]
  const outputs =
    end?.event === 'run_finished'
      ? Object.values(end.outputs ?? {}).filter((value): value is string => typeof value === 'string')
      : []
  const text = (texts.length > 0 ? texts : outputs).join('\n\n')
  const files = keptIn(end?.event === 'run_finished' ? end.outputs : undefined)
  if (!text && files.length === 0)
    return <p className="dim">{t(isOver(view.run) ? 'answer.none' : 'answer.not_yet')}</p>
  return (
    <>
      {text && (
        <div className="row">
          <button
            type="button"
            className="btn small"
            aria-pressed={raw}
            onClick={() => {
              store(RAW, raw ? undefined : 'yes')
              setRaw(!raw)
            }}
          >
            {t('answer.raw')}
          </button>
          <Copy text={text} label={t('copy')} />
        </div>
      )}
      <div className="answer" aria-busy={view.run.status === 'running'} dir="auto">
        {raw ? (
          <pre className="code raw" tabIndex={0}>
            {visible(text)}
          </pre>
        ) : (
          <Markdown text={text} />
        )}
        {files.map((file, index) => (
          <p key={index}>
            <Kept file={file} />
          </p>
        ))}
        {/* What was shown as it came is here whole. */}
        {texts.length === 0 && end && <Cuts told={end} below="/outputs" run={view} />}
      </div>
    </>
  )
}

export function InputsOutputs({ view }: { view: RunView }) {
  const events = view.follower.log.events
  const start = events[0]?.event === 'run_started' ? events[0] : undefined
  const end = view.run.outputsIn === undefined ? undefined : events[view.run.outputsIn]
  if (!start) return null
  return (
    <>
      <Json
        value={{
          inputs: start.inputs,
          outputs: end?.event === 'run_finished' ? (end.outputs ?? {}) : null,
          system: start.system,
        }}
      />
      <Cuts told={start} below="/inputs" run={view} />
      {end && <Cuts told={end} below="/outputs" run={view} />}
    </>
  )
}

const ROW = 26

/** All events up to the position, the latest on top. A row goes to its moment. */
export function Events({ view }: { view: RunView }) {
  const box = useRef<HTMLDivElement>(null)
  const events = view.follower.log.events
  const length = view.position + 1
  const virtual = useVirtualizer({
    count: length,
    getScrollElement: () => box.current?.closest<HTMLElement>('[role=tabpanel]') ?? null,
    estimateSize: () => ROW,
    overscan: usePrinting() ? PRINTED : 16,
  })
  return (
    <div ref={box} className="events">
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map(item => {
          const event = events[length - 1 - item.index] as RunEvent
          return (
            <button
              key={event.id}
              type="button"
              className="event"
              aria-pressed={event.id === view.position}
              style={{ top: item.start }}
              onClick={() => view.go(event.id)}
            >
              <span className="num faint">{count(event.id)}</span>
              <span className="num mono">{clock(event.at, true)}</span>
              <span className="mono">{event.event}</span>
              <span className="dim cut">{about(event)}</span>
            </button>
          )
        })}
      </div>
    </div>
  )
}

function about(event: RunEvent): string {
  const parts = [
    'title' in event && event.title ? event.title : 'node_id' in event ? event.node_id : '',
    'text' in event ? event.text.slice(0, 200) : '',
    'status' in event && event.status ? statusWord(event.status) : '',
    'round' in event ? t('round', { n: count(event.round + 1) }) : '',
    'error' in event && event.error ? event.error.slice(0, 300) : '',
  ]
  return visible(parts.filter(Boolean).join(' · '))
}
