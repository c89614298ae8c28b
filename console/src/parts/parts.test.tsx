// @vitest-environment happy-dom

import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useRef, useState } from 'react'
import { beforeEach, expect, test, vi } from 'vitest'
import { axis } from '../run/axis.ts'
import type { RunEvent } from '../run/events.ts'
import { advance, begin } from '../run/fold.ts'
import { readLog } from '../run/logs.ts'
import { rows } from '../run/rows.ts'
import { visible } from '../words/visible.ts'
import { setLanguage } from '../words/words.ts'
import { Confirm, Dialog } from './Dialog.tsx'
import { Json } from './Json.tsx'
import { Markdown } from './Markdown.tsx'
import { Menu } from './Menu.tsx'
import { Boundary, Loaded, More } from './Panel.tsx'
import { pieces } from './Pieces.tsx'
import { StepTree, siblings } from './StepTree.tsx'
import { Tabs } from './Tabs.tsx'
import { useRoving } from './useRoving.ts'

// Nothing is laid out here, so that no row would be in sight: all of them are.
vi.mock('@tanstack/react-virtual', () => ({
  useVirtualizer: ({ count }: { count: number }) => ({
    getVirtualItems: () => Array.from({ length: count }, (_, index) => ({ index, start: index * 28, key: index })),
    getTotalSize: () => count * 28,
    scrollToIndex: () => undefined,
    measure: () => undefined,
  }),
}))

beforeEach(() => setLanguage('en'))
function ThreeRounds() {
  const { keys, part } = useRoving(3, 0)
  return (
    <div role="toolbar" onKeyDown={keys}>
      {['一', '二 🎉', '三'].map((name, index) => (
        <button key={name} type="button" {...part(index)}>
          {name}
        </button>
      ))}
    </div>
  )
}

test('a row of rounds: one tab stop, arrows, Home and End move; with a modifier they are left to the browser', async () => {
  render(<ThreeRounds />)
  const names = ['一', '二 🎉', '三'].map(name => screen.getByRole('button', { name }))
  await userEvent.tab()
  await userEvent.keyboard('{ArrowRight}')
  expect(document.activeElement).toBe(names[1])
  for (const modifier of ['altKey', 'ctrlKey', 'metaKey'])
    for (const key of ['ArrowLeft', 'ArrowRight', 'Home', 'End']) {
      expect(fireEvent.keyDown(names[1] as Element, { key, [modifier]: true }), `${modifier} ${key}`).toBe(true)
      expect(document.activeElement).toBe(names[1])
    }
  expect(fireEvent.keyDown(names[1] as Element, { key: 'End' })).toBe(false)
  expect(document.activeElement).toBe(names[2])
  expect(names.map(one => one.tabIndex)).toEqual([-1, -1, 0])
})

function ThreeTabs() {
  const [chosen, choose] = useState('a')
  const tabs = ['a', 'b', 'c'].map(id => ({ id, label: id.toUpperCase() }))
  return (
    <Tabs label="Letters" tabs={tabs} chosen={chosen} choose={choose}>
      panel of {chosen}
    </Tabs>
  )
}

test('tabs: one tab stop, arrows choose and go round, Home and End reach the ends', async () => {
  render(<ThreeTabs />)
  const user = userEvent.setup()
  await user.tab()
  expect(document.activeElement).toBe(screen.getByRole('tab', { name: 'A' }))
  await user.keyboard('{ArrowRight}{ArrowRight}{ArrowRight}{ArrowLeft}')
  expect(screen.getByRole('tab', { selected: true }).textContent).toBe('C')
  expect(document.activeElement).toBe(screen.getByRole('tab', { name: 'C' }))
  await user.keyboard('{Home}')
  expect(screen.getByRole('tabpanel', { name: 'A' }).textContent).toBe('panel of a')
  expect(screen.getAllByRole('tab').filter(tab => tab.tabIndex === 0)).toHaveLength(1)
  await user.tab()
  expect(document.activeElement).toBe(screen.getByRole('tabpanel'))
})

test('menu: opens on its first entry, arrows move, Escape leads back to its button', async () => {
  const act = vi.fn()
  const entries = ['One', 'Two'].map(label => ({ label, icon: 'copy', act: () => act(label) }))
  render(<Menu label="More" entries={entries} />)
  const user = userEvent.setup()
  const button = screen.getByRole('button', { name: 'More' })
  await user.click(button)
  expect(button.getAttribute('aria-expanded')).toBe('true')
  expect(document.activeElement).toBe(screen.getByRole('menuitem', { name: 'One' }))
  await user.keyboard('{ArrowUp}{Enter}')
  expect(act).toHaveBeenCalledWith('Two')
  expect(screen.queryByRole('menu')).toBeNull()
  await user.click(button)
  await user.keyboard('{Escape}')
  expect(document.activeElement).toBe(button)
})

test('a dialog closes by its cross and gives the focus back', async () => {
  const close = vi.fn()
  render(
    <Dialog label="Keys" close={close} heading={null}>
      text
    </Dialog>,
  )
  await userEvent.click(screen.getByRole('button', { name: 'Close' }))
  expect(close).toHaveBeenCalled()
})

const human: readonly RunEvent[] = readLog('human')
const run = advance(begin(), human)
const box = run.executions.find(execution => execution.roundList)!

function Tree({ inspector }: { inspector: () => void }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [picked, setPicked] = useState('')
  const tree = useRef<HTMLDivElement>(null)
  const toggle = (id: string, is?: boolean) =>
    setOpen(now => new Set((is ?? !now.has(id)) ? [...now, id] : [...now].filter(one => one !== id)))
  return (
    <StepTree
      rows={rows(run, open, false).slice(0, 40)}
      picked={picked}
      pick={row => setPicked(row.id)}
      toggle={toggle}
      axis={axis(run, run.at)}
      now={run.at}
      toInspector={inspector}
      tree={tree}
    />
  )
}

test('steps: a tree with one tab stop, whose keys choose, open and close rows', async () => {
  const inspector = vi.fn()
  render(<Tree inspector={inspector} />)
  const user = userEvent.setup()
  const tree = screen.getByRole('tree')
  tree.focus()
  await user.keyboard('jjj')
  const chosen = () => screen.getByRole('treeitem', { selected: true })
  expect(chosen().textContent).toContain('Each item')
  expect(tree.getAttribute('aria-activedescendant')).toBe(chosen().id)
  expect(chosen().getAttribute('aria-expanded')).toBe('false')
  await user.keyboard('{ArrowRight}{ArrowRight}')
  expect(chosen().textContent).toContain('Round 1')
  expect(chosen().getAttribute('aria-level')).toBe('2')
  await user.keyboard('{ArrowRight}{ArrowDown}')
  expect(chosen().textContent).toContain('Judge item')
  await user.keyboard('{ArrowLeft}')
  expect(chosen().textContent).toContain('Round 1')
  await user.keyboard('{ArrowLeft}{ArrowLeft}')
  expect(chosen().id).toBe(`step-${box.id}`)
  await user.keyboard('{ArrowLeft}{End}')
  expect(chosen().textContent).toContain('Reply')
  await user.keyboard('{Home}{Enter}')
  expect(chosen().textContent).toContain('Claim')
  expect(inspector).toHaveBeenCalledTimes(1)
})

test('markup in a value is text, and marks that turn or hide text are shown', () => {
  const { container } = render(<Json value={{ text: '<img src=x onerror=alert(1)>\u202egpj.exe\u0000' }} />)
  expect(container.querySelector('img')).toBeNull()
  expect(container.textContent).toContain('<img src=x onerror=alert(1)>')
  expect(container.textContent).toContain('⟨U+202E⟩gpj.exe␀')
  expect(visible('日本 é\n\t')).toBe('日本 é\n\t')
})

test('a long list shows its beginning, and more when asked', async () => {
  const { container } = render(<Json value={Array.from({ length: 50 }, (_, index) => index)} />)
  expect(container.querySelectorAll('.leaf')).toHaveLength(20)
  await userEvent.click(screen.getByRole('button', { name: '30 more' }))
  expect(container.querySelectorAll('.leaf')).toHaveLength(50)
})

test('markdown becomes elements; html, scripts and pictures in it stay text', () => {
  const text =
    '# Head\n\n**bold** and `code`\n\n1. one\n2. two\n\n<script>alert(1)</script> ![pic](https://x.example/a.png) [bad](javascript:alert(1)) [good](https://x.example/)'
  const { container } = render(<Markdown text={text} />)
  expect(container.querySelectorAll('script, img')).toHaveLength(0)
  expect([...container.querySelectorAll('a')].map(link => link.getAttribute('href'))).toEqual(['https://x.example/'])
  expect(container.querySelectorAll('ol li')).toHaveLength(2)
  expect(container.querySelector('b')?.textContent).toBe('bold')
  expect(container.querySelector('code')?.textContent).toBe('code')
  expect(container.textContent).toContain('<script>alert(1)</script>')
})

test('markdown: what each line is, and what stands within it', () => {
  const text =
    'a **b** *c* _d_ `e*f*` [g](https://x.example/ "t") [](https://y.example/)\nmore\n### h\n> q1\n> - i\n\n- j\n* k\n3) l\n```sum\n*m*\n\n# n\n```\nend'
  const { container } = render(<Markdown text={text} />)
  expect(container.querySelector('.markdown')?.innerHTML.replace(/ (?:rel|target|tabindex)="[^"]*"/g, '')).toBe(
    '<p>a <b>b</b> <i>c</i> <i>d</i> <code>e*f*</code> <a href="https://x.example/">g</a> ' +
      '<a href="https://y.example/">https://y.example/</a>\nmore</p><p class="strong">h</p>' +
      '<blockquote><p>q1</p><ul><li><p>i</p></li></ul></blockquote>' +
      '<ul><li><p>j</p></li><li><p>k</p></li></ul><ol start="3"><li><p>l</p></li></ol>' +
      '<pre class="code">*m*\n\n# n</pre><p>end</p>',
  )
})

let broken = true
function Part() {
  if (broken) throw new Error('broken part')
  return <p>whole</p>
}

test('what fails while it is drawn stays within its panel, and can be tried again', async () => {
  const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  render(
    <Boundary>
      <Part />
    </Boundary>,
  )
  expect(screen.getByRole('alert').textContent).toContain('broken part')
  broken = false
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
  expect(screen.getByText('whole')).toBeTruthy()
  quiet.mockRestore()
})

test('a table of Markdown is a table, and a text of nothing but beginnings is read at once', () => {
  render(<Markdown text={'| a | b |\n|---|:-:|\n| 1 | **2** |\n\n_it_ and snake_case_name'} />)
  expect(screen.getAllByRole('columnheader').map(head => head.textContent)).toEqual(['a', 'b'])
  expect(screen.getAllByRole('cell').map(cell => cell.textContent)).toEqual(['1', '2'])
  expect(document.querySelector('i')?.textContent).toBe('it')
  cleanup()
  for (const start of ['[', '*', '`', '_', '|', '![a](', '**a']) {
    render(<Markdown text={start.repeat(30_000)} />)
    cleanup()
  }
}, 20_000)

test('a long text is cut into pieces that are the text, behind lines and never within a character', () => {
  const texts = [`${'line\n'.repeat(3000)}end`, '🍓'.repeat(9001), 'x'.repeat(8001), '']
  for (const text of texts) {
    const cut = pieces(text)
    expect(cut.join('')).toBe(text)
    for (const piece of cut) expect(piece).not.toMatch(/^[\udc00-\udfff]/)
  }
  expect(pieces('line\n'.repeat(3000))[0]?.endsWith('\n')).toBe(true)
})

test('a row of the tree is counted among those beside it', () => {
  const depths = [0, 0, 1, 2, 2, 1, 1, 0].map(depth => ({ depth }))
  expect(siblings(depths)).toEqual({ place: [1, 2, 1, 1, 2, 2, 3, 3], all: [3, 3, 3, 2, 2, 3, 3, 3] })
})

test('what cannot be taken back is asked for by its name, and done once it is confirmed', async () => {
  const done: string[] = []
  render(
    <Confirm
      label="削除"
      text="Sure?"
      action="Delete it"
      act={() => done.push('act')}
      close={() => done.push('close')}
    />,
  )
  const user = userEvent.setup()
  expect(screen.getByRole('dialog', { name: '削除', hidden: true }).textContent).toContain('Sure?')
  await user.click(screen.getByRole('button', { name: 'Cancel', hidden: true }))
  expect(done).toEqual(['close'])
  await user.click(screen.getByRole('button', { name: 'Delete it', hidden: true }))
  expect(done).toEqual(['close', 'close', 'act'])
})

test('a list that has more offers it, and not twice at once', async () => {
  const fetchNextPage = vi.fn()
  const { rerender } = render(<More of={{ hasNextPage: true, isFetchingNextPage: false, fetchNextPage }}>older</More>)
  await userEvent.click(screen.getByRole('button', { name: 'older' }))
  rerender(<More of={{ hasNextPage: true, isFetchingNextPage: true, fetchNextPage }}>older</More>)
  await userEvent.click(screen.getByRole('button', { name: 'older' }))
  expect(fetchNextPage).toHaveBeenCalledTimes(1)
  rerender(<More of={{ hasNextPage: false, isFetchingNextPage: false, fetchNextPage }}>older</More>)
  expect(screen.queryByRole('button')).toBeNull()
})

test('what was asked for is loading, wrong, old, empty, or there', async () => {
  const refetch = vi.fn()
  const shown = (data: string[] | undefined, error?: Error) => {
    cleanup()
    const of = { data, error, isPending: false, dataUpdatedAt: 0, refetch }
    render(
      <Loaded of={of} none="none yet">
        {list => list.join()}
      </Loaded>,
    )
    return document.body.textContent
  }
  expect(shown(undefined)).toBe('Loading')
  expect(shown(undefined, new Error('だめ 🙅'))).toContain('だめ 🙅')
  await userEvent.click(screen.getByRole('button'))
  expect(refetch).toHaveBeenCalledTimes(1)
  expect(shown([])).toBe('none yet')
  expect(shown(['猫', '犬'])).toBe('猫,犬')
  expect(shown(['猫'], new Error('だめ 🙅'))).toMatch(/^.+猫$/)
  expect(screen.getByRole('status').textContent).not.toContain('だめ')
})
