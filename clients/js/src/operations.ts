import type { components, paths } from './schema.js'

/** The schemas of the API by name, as `/openapi.json` has them. */
export type Schemas = components['schemas']
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Paths of operations with that method. */
export type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<Lowercase<M>, object> ? P : never
}[keyof paths]

type Operation<M extends Method, P extends keyof paths> = paths[P] extends Record<Lowercase<M>, infer O> ? O : never
type Given<O, In extends string> = O extends { parameters: { [K in In]?: infer T } } ? Exclude<T, undefined> : never
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B : never
type Part<Name extends string, T> = [T] extends [never]
  ? unknown
  : object extends T
    ? Partial<Record<Name, T>>
    : Record<Name, T>

/** What an operation takes: parts of its path, its query, and its body; and headers. */
export type Taken<M extends Method, P extends keyof paths> = Part<'path', Given<Operation<M, P>, 'path'>> &
  Part<'query', Given<Operation<M, P>, 'query'>> &
  Part<'body', Body<Operation<M, P>>> & { headers?: Record<string, string>; signal?: AbortSignal | undefined }

type Content<R> = R extends { content: { 'application/json': infer T } } ? T : undefined
type Success<R> = { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? Content<R[S]> : never }[keyof R]

/** What an operation answers with. */
export type Answer<M extends Method, P extends keyof paths> =
  Operation<M, P> extends { responses: infer R } ? Success<R> : never

/** Arguments that may be left out if nothing of an operation is required. */
export type Rest<T> = object extends T ? [taken?: T] : [taken: T]
