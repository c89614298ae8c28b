// Where the names of branches stand: beside their lines, and on no line, node or name.
import { type DrawnGraph, ends, isBox, labelOf } from './fromApi.ts'

type Point = readonly [x: number, y: number]
export type Label = { readonly id: string; readonly text: string; readonly x: number; readonly y: number }
type Box = { readonly x: number; readonly y: number; readonly w: number; readonly h: number }

const ALONG = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9]
/** Between a name and a line. */
const GAP = 5
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uffe6]|[\u{1f000}-\u{3ffff}]/u

/** At least as wide as a text is drawn. */
const widthOf = (text: string, size: number): number =>
  [...text].reduce((sum, letter) => sum + (WIDE.test(letter) ? 1.05 : 0.62), 0) * size

/** Points of a line, as `path` in `fromApi.ts` draws it. */
function curve(at: readonly [number, number, number, number], count: number): Point[] {
  const [x, y, u, v] = at
  const bend = Math.max(30, (u - x) / 2)
  return Array.from({ length: count + 1 }, (_, n) => {
    const t = n / count
    const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t ** 2 * (1 - t), t ** 3]
    return [a * x + b * (x + bend) + c * (u - bend) + d * u, (a + b) * y + (c + d) * v]
  })
}

/** The names of all branches. `size`: of their letters, in the units of the graph. */
export function labels(graph: DrawnGraph, size: number): Label[] {
  const nodes = new Map(graph.nodes.map(node => [node.id, node]))
  const lines = graph.edges.flatMap(edge => {
    const at = ends(edge, nodes)
    return at
      ? [{ edge, at, points: curve(at, 8 + Math.ceil(Math.hypot(at[2] - at[0], at[3] - at[1]) / (size / 2))) }]
      : []
  })
  const solid: Box[] = graph.nodes
    .filter(node => !isBox(node))
    .map(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2, w: width, h: height }))
  const placed: Box[] = []
  const h = size * 1.3
  // Which lines are near: a name is compared to the points of the cells that it lies in.
  const cell = 4 * size
  const cells = new Map<string, { n: number; point: Point }[]>()
  for (const [n, { points }] of lines.entries())
    for (const point of points) {
      const key = `${Math.floor(point[0] / cell)} ${Math.floor(point[1] / cell)}`
      const held = cells.get(key)
      if (held) held.push({ n, point })
      else cells.set(key, [{ n, point }])
    }
  const crossed = (box: Box): number => {
    const found = new Set<number>()
    const [right, below] = [box.x + box.w / 2 + 2, box.y + box.h / 2 + 2]
    for (let x = Math.floor((box.x - box.w / 2 - 2) / cell); x * cell <= right; x++)
      for (let y = Math.floor((box.y - box.h / 2 - 2) / cell); y * cell <= below; y++)
        for (const { n, point } of cells.get(`${x} ${y}`) ?? []) if (!found.has(n) && within(point, box)) found.add(n)
    return found.size
  }
  const cost = (box: Box): number =>
    8 * placed.filter(other => meet(box, other)).length +
    4 * solid.filter(other => meet(box, other)).length +
    4 * crossed(box)
  return lines.flatMap(({ edge, at }) => {
    const text = labelOf(edge)
    if (!text) return []
    const w = widthOf(text, size)
    let best: Box | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [far, [x, y]] of ALONG.map(part => curve(at, 20)[part * 20] as Point).entries()) {
      for (const [beside, [dx, dy]] of besides(w, h).entries()) {
        const box = { x: x + dx, y: y + dy, w, h }
        const costs = far * 0.1 + beside * 0.2
        if (costs >= least) continue
        const all = costs + cost(box)
        if (all < least) [best, least] = [box, all]
      }
    }
    if (!best) return []
    placed.push(best)
    return [{ id: edge.id, text, x: best.x, y: best.y }]
  })
}

/** Above and below a point, nearest first, then beside it. */
const besides = (w: number, h: number): Point[] => [
  ...[0.5, 1.5, 2.5].flatMap(n => [-1, 1].map(way => [0, way * (n * h + GAP)] as const)),
  ...[-1, 1].map(way => [way * (w / 2 + GAP), 0] as const),
]

const within = ([x, y]: Point, box: Box): boolean =>
  Math.abs(x - box.x) < box.w / 2 + 2 && Math.abs(y - box.y) < box.h / 2 + 2
const meet = (one: Box, other: Box): boolean =>
  Math.abs(one.x - other.x) < (one.w + other.w) / 2 && Math.abs(one.y - other.y) < (one.h + other.h) / 2
