import { afterEach, expect, test } from 'vitest'
import { detailOf } from '../graph/detail.ts'
import { CODES, ending, kindName, told } from './codes.ts'
import { en } from './en.ts'
import { ja } from './ja.ts'
import { checkName, problemText, worded } from './messages.ts'
import {
  bytes,
  cost,
  costs,
  count,
  dayWord,
  duration,
  language,
  moment,
  money,
  percent,
  setLanguage,
  t,
  tn,
  when,
  whyNoCost,
} from './words.ts'

const tables = { en, ja }
const isForOne = (key: string) => key.endsWith('.one')
const all = Object.keys(en).filter(key => !isForOne(key)) as (keyof typeof ja)[]

afterEach(() => setLanguage('en'))

test('no word is missing in a language, and none is empty', () => {
  expect(Object.keys(tables.ja).sort()).toEqual(all.toSorted())
  for (const table of Object.values(tables))
    for (const [key, text] of Object.entries(table)) expect(text.trim(), key).not.toBe('')
})

test('both languages name the same values', () => {
  const named = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(match => match[1]).sort()
  for (const key of all) expect(named(tables.ja[key]), key).toEqual(named(tables.en[key]))
})

test('both languages name the same commands, as code', () => {
  const named = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(match => match[1]).sort()
  for (const key of all) expect(named(tables.ja[key]), key).toEqual(named(tables.en[key]))
})

test('a date is written as its language writes it, with its year if that is another one', () => {
  const now = new Date()
  const seconds = (year: number) => new Date(year, 10, 7, 9, 5).getTime() / 1000
  expect(when(seconds(now.getFullYear()))).toBe('Nov 7, 09:05')
  expect(when(seconds(2019))).toBe('Nov 7, 2019, 09:05')
  // The hours are of 24 everywhere.
  expect(moment(seconds(2019) + 43_200)).toMatch(/^Nov 7, 2019, 21:05:00 \S+$/)
  setLanguage('ja')
  expect(when(seconds(now.getFullYear()))).toBe('11月7日 09:05')
  expect(when(seconds(2019))).toBe('2019年11月7日 09:05')
})

test('a form for one stands beside another for all other numbers, which is used where it is the same', () => {
  for (const key of Object.keys(en).filter(isForOne)) expect(all).toContain(key.replace(/\.one$/, '.other'))
  expect([tn('runs', 1), tn('runs', 1200), tn('compare.added', 1)]).toEqual(['1 run', '1,200 runs', '1 added'])
  setLanguage('ja')
  expect(tn('runs', 1)).toBe(tn('runs', 2).replace('2', '1'))
})

test('times are written in the unit that fits', () => {
  const written = [0.0001, 0.21, 0.9999, 4.214, 12.53, 59.97, 176, 3900, 187_200].map(duration)
  expect(written).toEqual([
    '<1 ms',
    '210 ms',
    '1.00 s',
    '4.21 s',
    '12.5 s',
    '1 m 00 s',
    '2 m 56 s',
    '1 h 05 m',
    '2 d 4 h',
  ])
  expect(duration(undefined)).toBe('')
  setLanguage('ja')
  expect([0.21, 4.214, 176].map(duration)).toEqual(['210 ms', '4.21 秒', '2 分 56 秒'])
})

test('numbers, shares, money and sizes', () => {
  expect(count(1_204_118)).toBe('1,204,118')
  expect([percent(1), percent(0.989), percent(0)]).toEqual(['100%', '98.9%', '0%'])
  expect([money('0.0010'), money('4.18'), money(0.00002), money('0.5 EUR')]).toEqual([
    '$0.0010',
    '$4.18',
    '$0.00002',
    '€0.5000',
  ])
  expect([bytes(900), bytes(4100), bytes(2_100_000_000)]).toEqual(['900 B', '4.1 kB', '2.1 GB'])
})

test('a word takes the form of its number, in the language that is chosen', () => {
  expect([tn('runs.new', 1), tn('runs.new', 3000)]).toEqual(['1 new run', '3,000 new runs'])
  setLanguage('ja')
  expect(language()).toBe('ja')
  expect(tn('runs.new', 3)).not.toBe('3 new runs')
  expect(t('status.failed')).toBe('失敗')
})

test('what stands below the name of a node is in the language of the page, names as they are', () => {
  setLanguage('ja')
  expect(detailOf({ type: 'start', detail: '8 inputs' })).toBe('入力 8 件')
  expect(detailOf({ type: 'human-input', detail: '72 hour' })).toBe('72 時間')
  expect(detailOf({ type: 'llm', detail: '2 inputs' })).toBe('2 inputs')
  setLanguage('en')
  expect(detailOf({ type: 'start', detail: '1 input' })).toBe('1 input')
  expect(detailOf({ type: 'human-input', detail: '3 day' })).toBe('3 days')
  expect(detailOf({ type: 'loop', detail: '10 rounds at most' })).toBe('10 rounds at most')
})

test('what the server says is told in Japanese by its code, its own words behind', () => {
  expect(told('not_found', 'There is no run.')).toBe('There is no run.')
  setLanguage('ja')
  expect(told('not_found', 'There is no run.')).toBe('見つかりません（There is no run.）')
  expect(told('never_heard_of', 'Something new.')).toBe('Something new.')
  expect([kindName('CodeExecutionError'), kindName('NewError')]).toEqual([
    'コードの実行エラー（CodeExecutionError）',
    'NewError',
  ])
  const stopped = 'Workflow run was stopped by user 山田 $1.'
  expect([ending('stopped', stopped), ending('failed', 'Something else.')]).toEqual([
    `停止（${stopped}）`,
    'Something else.',
  ])
  for (const text of Object.values(CODES)) expect(text).toMatch(/[ぁ-んァ-ン一-龯]/)
})

test('messages of the server are worded by their codes, with what they are about', () => {
  const missing = { code: 'import.missing', params: { module: "'numpy'", line: 1 } }
  const fails = { code: 'outcome.will_fail_at_line', params: { title: '集計', line: 7, text: missing } }
  const english = 'will fail at node "集計" (line 7): there is no module \'numpy\' (line 1 of the code)'
  const lesser = { ...missing, problem: 'there is no module; not every run reaches it', note: 'note.some_runs' }
  expect([worded(fails, english), checkName('no sockets'), problemText(lesser)]).toEqual([
    english,
    'no sockets',
    lesser.problem,
  ])
  setLanguage('ja')
  expect(worded(fails, english)).toBe(
    "ノード「集計」（7 行目）で必ず失敗します: モジュール 'numpy' はありません（コードの 1 行目）",
  )
  expect([checkName('no sockets'), checkName('Jinja2')]).toEqual(['ソケットは使えない', 'Jinja2'])
  expect(problemText(lesser)).toBe(
    "モジュール 'numpy' はありません（コードの 1 行目）；すべての実行がここに来るわけではありません",
  )
  expect(worded({ code: 'never.heard_of', params: {} }, 'Something new')).toBe('Something new')
  expect(worded(null, '')).toBe('')
})

test('days are called by their names while they are near', () => {
  const now = new Date(2026, 10, 27, 0, 30).getTime() / 1000
  expect([dayWord(now - 60, now), dayWord(now - 3600, now), dayWord(now - 90_000, now)]).toEqual([
    'Today',
    'Yesterday',
    'Nov 25',
  ])
  setLanguage('ja')
  expect(dayWord(now - 3600, now)).toBe('昨日')
})

test('every word is used by some page', () => {
  const files = import.meta.glob(['../**/*.ts', '../**/*.tsx', '!./en.ts', '!./ja.ts', '!../api/schema.ts'], {
    query: '?raw',
    eager: true,
    import: 'default',
  })
  const source = Object.values(files).join('\n')
  // Some are made of a beginning and what the server says.
  const made = [...source.matchAll(/`([a-z_]+\.)(?:[a-z_]+\.)?\$\{/g)].map(match => match[1] as string)
  const unused = Object.keys(tables.en).filter(key => {
    const plain = key.replace(/\.(one|other)$/, '')
    return !source.includes(`'${plain}'`) && !made.some(start => key.startsWith(start))
  })
  expect(unused).toEqual([])
})

test('tokens without a known price have no cost, for a reason, and no tokens cost nothing', () => {
  expect([cost(18, 0), cost(18, '0 USD'), cost(0, 0), cost(18, 0.5), cost(18, '0.0010 USD')]).toEqual([
    '–',
    '–',
    '$0.00',
    '$0.5000',
    '$0.0010',
  ])
  expect([costs(18, {}), costs(0, {}), costs(18, { USD: '0.5', EUR: '2' })]).toEqual(['–', '$0.00', '$0.5000 + €2.00'])
  expect([cost(18, 0, true), cost(18, 0.5, true)]).toEqual(['–', '≥ $0.5000'])
  expect([costs(18, {}), '$0.00', '≥ $0.50'].map(whyNoCost)).toEqual([t('cost.unknown'), undefined, t('cost.partly')])
})
