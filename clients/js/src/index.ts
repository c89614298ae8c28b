export { Client, type ClientOptions, type Given, type Once, type Question } from './client.js'
export { ServiceError } from './errors.js'
export type { FileInput, FormRequest, RunEvent, StreamMessage } from './messages.js'
export type { Answer, Method, Schemas, Taken } from './operations.js'
