// Both languages for tests, which change from one to the other at once.
import { load, loadMessages } from './words.ts'

await loadMessages()
await Promise.all([load('en'), load('ja')])
