// Logs of real runs for the tests: 100 rounds with a failed one, two attempts that failed, a form; and a retry.
import { readFileSync } from 'node:fs'
import type { RunEvent } from './events.ts'

/** A log by name. Tests run in the folder of the console. */
export const readLog = (name: 'human' | 'retry'): RunEvent[] =>
  JSON.parse(readFileSync(`src/run/logs/${name}.json`, 'utf8')).data
