// Both languages for tests, which change from one to the other at once.
import { load } from './words.ts'

await Promise.all([load('en'), load('ja')])
