// Logs of real runs for the tests: 100 rounds with a failed one, two attempts that failed, a form; and a retry.
import { readFileSync } from 'node:fs'
import type { RunEvent } from './events.ts'

export const readLog = (name: 'human' | 'retry'): RunEvent[] =>
  JSON.parse(readFileSync(new URL(`./logs/${name}.json`, import.meta.url), 'utf8')).data
