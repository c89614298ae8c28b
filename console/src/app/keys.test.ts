// @vitest-environment happy-dom
import { expect, test } from 'vitest'
import { KEYS, keyName, pressed } from './keys.ts'

const press = (key: string, target: HTMLElement = document.body, what: KeyboardEventInit = {}) => {
  if (target !== document.body) document.body.append(target)
  const event = new KeyboardEvent('keydown', { key, bubbles: true, ...what })
  target.dispatchEvent(event)
  return event
}

test('no key stands for two actions in one scope, nor for one around it', () => {
  const around: Record<string, string[]> = {
    runs: ['everywhere'],
    steps: ['run', 'everywhere'],
    run: ['everywhere'],
    everywhere: [],
  }
  for (const binding of KEYS) {
    for (const other of KEYS) {
      if (other === binding || ![binding.scope, ...(around[binding.scope] ?? [])].includes(other.scope)) continue
      expect(
        binding.keys.filter(key => other.keys.includes(key)),
        `${binding.word} ${other.word}`,
      ).toEqual([])
    }
  }
})

test('a key acts in its scope, and never within a field', () => {
  expect(pressed('run', press('f'))).toBe('failure')
  expect(pressed('runs', press('f'))).toBeUndefined()
  expect(pressed('run', press('f', document.createElement('input')))).toBeUndefined()
  expect(pressed('run', press('f', document.createElement('textarea')))).toBeUndefined()
})

test('a key of the browser with Alt or Ctrl is left to it; Ctrl K and ⌘ K jump from anywhere', () => {
  expect(pressed('run', press('f', undefined, { ctrlKey: true }))).toBeUndefined()
  expect(pressed('run', press('f', undefined, { altKey: true }))).toBeUndefined()
  expect(pressed('everywhere', press('k', document.createElement('input'), { ctrlKey: true }))).toBe('jump')
  expect(pressed('everywhere', press('k', undefined, { metaKey: true }))).toBe('jump')
})

test('Space on a button is the button’s', () => {
  expect(pressed('run', press(' '))).toBe('play')
  expect(pressed('run', press(' ', document.createElement('button')))).toBeUndefined()
  expect(keyName(' ')).toBe('Space')
})
