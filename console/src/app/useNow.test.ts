// @vitest-environment happy-dom

import { act, renderHook } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { useNow } from './useNow.ts'

test('the time goes on while it is wanted, and stands still otherwise', () => {
  vi.useFakeTimers()
  for (const [wanted, later] of [
    [true, 1001],
    [false, 1000],
  ] as const) {
    vi.setSystemTime(1_000_000)
    const { result } = renderHook(() => useNow(wanted))
    act(() => vi.advanceTimersByTime(1000))
    expect(result.current).toBe(later)
  }
})
