// Formulas of TeX as MathML, once the library that writes it is there: before that, and where they are wrong, as they are.
import { lazy, Suspense, useLayoutEffect, useRef } from 'react'

/** Characters of a formula, and elements drawn for it, above which it is text: a browser lays out a few thousand at once. */
const LONGEST = 2000
const MOST = 5000
/** Columns times rows above which a table is not even made: each row is filled up to the longest. */
const CELLS = 10_000
/** Commands that define others, and the library's own: a few characters would stand for any number. */
const DEFINES = /\\(?:(?:[gex]?def|let|futurelet|(?:new|renew|provide)command)(?![a-zA-Z])|[a-zA-Z]*@)/
/** Lengths below zero that would move what stands around; `maxSize` bounds those above. */
const FAR = /-(?:\d{2}[\d.]*(?:em|in|cm)|\d{3})/

const tooMuch = (tex: string): boolean =>
  tex.length > LONGEST || DEFINES.test(tex) || tex.split('&').length * tex.split(/\\\\|\\cr|\\newline/).length > CELLS

const moves = (one: Element): boolean => [...one.attributes].some(({ value }) => FAR.test(value))

type Tex = { tex: string; source: string; block?: boolean }

const Drawn = lazy(async () => {
  const temml = await import('temml').then(
    all => all.default,
    () => null,
  )
  return {
    default: function Drawn({ tex, source, block = false }: Tex) {
      const box = useRef<HTMLSpanElement>(null)
      useLayoutEffect(() => {
        const place = box.current as HTMLElement
        try {
          if (!temml || tooMuch(tex)) throw new Error()
          // Elements are made one by one, no markup is read; without trust there are no links, pictures and classes.
          temml.render(tex, place, {
            displayMode: block,
            throwOnError: true,
            trust: false,
            maxSize: [20, 200],
            maxExpand: 200,
          })
          const drawn = [...place.querySelectorAll('*')]
          if (drawn.length > MOST || drawn.some(moves)) throw new Error()
          // Names within the page are the page's own.
          for (const named of place.querySelectorAll('[id], [href]')) {
            named.removeAttribute('id')
            named.removeAttribute('href')
          }
        } catch {
          place.textContent = source
        }
      }, [tex, source, block])
      return <span ref={box} />
    },
  }
})

/** `source`: with its marks; what is shown until it can be drawn, and what is copied. `block`: on lines of its own. */
export function Formula(props: Tex) {
  const drawn = (
    <Suspense fallback={props.source}>
      <Drawn {...props} />
    </Suspense>
  )
  return props.block ? (
    <div className="scroll formula" tabIndex={0}>
      {drawn}
    </div>
  ) : (
    drawn
  )
}
