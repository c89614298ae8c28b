// Formulas of TeX as MathML, once the library that writes it is there: before that, and where they are wrong, as they are.
import { lazy, Suspense, useLayoutEffect, useRef } from 'react'

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
          if (!temml) throw new Error()
          // Elements are made one by one, no markup is read; without trust there are no links, pictures and classes.
          temml.render(tex, place, {
            displayMode: block,
            throwOnError: true,
            trust: false,
            maxSize: [20, 200],
            maxExpand: 200,
          })
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
