// A log and the states along it. A live run adds to its end, a finished one is added page by page, a replayed one is
// asked for an earlier position: all three show what `at` gives.
import type { RunEvent } from './events.ts'
import { advance, begin } from './fold.ts'
import type { RunState } from './state.ts'

export class RunLog {
  readonly events: RunEvent[] = []
  private shown: RunState = begin()
  /** States kept on the way, one every so many events; they share all executions that did not change in between. */
  private readonly kept: RunState[] = [this.shown]
  constructor(private readonly every = 2048) {}
  get head(): number {
    return this.events.length - 1
  }

  /** Adds what comes next. A repeated tail is dropped; behind a gap nothing is taken: the caller fetches from `head`. */
  add(events: readonly RunEvent[]): boolean {
    for (const event of events) {
      if (event.id > this.events.length) return false
      if (event.id === this.events.length) this.events.push(event)
    }
    return true
  }

  /** The run as it was after that event. At most `every` events are folded, once the states on the way are kept. */
  at(position = this.head): RunState {
    const wanted = Math.min(position, this.head)
    let from = this.kept[Math.min(this.kept.length - 1, Math.floor((wanted + 1) / this.every))] ?? this.shown
    for (; wanted - from.position > this.every; this.kept.push(from))
      from = advance(from, this.events.slice(from.position + 1, from.position + 1 + this.every))
    if (this.shown.position > from.position && this.shown.position <= wanted) from = this.shown
    this.shown = advance(from, this.events.slice(from.position + 1, wanted + 1))
    return this.shown
  }
}
