import { store } from './storage.ts'

/** Light or dark, as it is now. */
export const theme = (): 'light' | 'dark' => (document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light')

export function setTheme(to: 'light' | 'dark'): void {
  document.documentElement.dataset.theme = to
  store('jikko.theme', to)
}
