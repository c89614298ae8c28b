import { afterEach, expect, test } from 'vitest'
import type { RetryChoice } from '../../api/types.ts'
import { setLanguage } from '../../words/words.ts'
import { detailsOf, fromHere, otherChoices, proposed, summaryOf } from './retrying.ts'

afterEach(() => setLanguage('en'))

const choice = (version: number, current: boolean, why: string | null = null): RetryChoice => ({
  version,
  is_current: current,
  taken_over: why ? [] : [{ id: 'a', title: 'Look up 📖' }],
  from_nodes: why ? [] : [{ id: 'b', title: 'Check' }],
  why_not: why,
})
const own = choice(1, false)
const fixed = choice(3, true)
const misfit = choice(3, true, 'who is required in input form')

test('once a fix is published, it is proposed, and the version of the run is the other choice', () => {
  expect(proposed([fixed, own])).toBe(fixed)
  expect(summaryOf(fixed, [fixed, own])).toEqual(['version 3', 'reuses 1 step'])
  expect(otherChoices([fixed, own])).toEqual([{ label: 'Retry with version 1', version: 1 }])
  expect(fromHere([fixed, own])).toBe('Retry from here · version 3')
})

test('where nothing was published since, no version is named', () => {
  expect(summaryOf(fixed, [fixed])).toEqual(['', 'reuses 1 step'])
  expect(otherChoices([fixed])).toEqual([])
  expect(fromHere([fixed])).toBe('Retry from here')
  expect(fromHere([])).toBe('Retry from here')
})

test('where the inputs do not fit the current version, that of the run is proposed, and why is said', () => {
  expect(proposed([misfit, own])).toBe(own)
  expect(otherChoices([misfit, own])).toEqual([{ label: 'Retry with version 3', version: 3 }])
  expect(detailsOf(own, [misfit, own])).toBe(
    'Reused: Look up 📖\nRuns again, with all that follows: Check\nVersion 3 cannot: who is required in input form',
  )
})

test('where neither can be, the current version is asked for, and says why', () => {
  expect(proposed([misfit, choice(1, false, 'no node failed')])).toBe(misfit)
})

test('it is said in Japanese, too', () => {
  setLanguage('ja')
  expect(summaryOf(fixed, [fixed, own])).toEqual(['バージョン 3', '1 ステップを引き継ぎ'])
})
