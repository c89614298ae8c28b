import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const server = process.env.JIKKO_URL ?? 'http://127.0.0.1:8000'
const proxied = {
  target: server,
  changeOrigin: true,
  // The server takes only what its own pages send.
  headers: { origin: server },
}

export default defineConfig(({ command }) => ({
  plugins: [react()],
  // Addresses are relative to the page, so that it works below any path of a proxy.
  base: command === 'serve' ? '/console/' : './',
  build: {
    outDir: '../src/jikko/http/static',
    emptyOutDir: true,
    target: 'es2022',
    // The texts of the licences of what is in the page.
    license: { fileName: 'licenses.md' },
    assetsInlineLimit: 0,
    // A browser that cannot preload asks a little later.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
  },
  // The texts of messages are the server's.
  server: {
    fs: { allow: ['.', '../src/jikko/diagnostics'] },
    port: 5173,
    strictPort: true,
    proxy: { '/console/api': proxied, '/v1': proxied, '/files': proxied },
  },
  // What takes so long hangs; how busy the machine is decides nothing.
  test: {
    environment: 'node',
    // A process for each file may not begin in time on a busy machine.
    pool: 'threads',
    // To load packages and a document for each file would take three fifths of the time; src/patience.ts clears it.
    isolate: false,
    setupFiles: ['src/words/both.ts', 'src/patience.ts'],
    include: ['src/**/*.test.{ts,tsx}'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
}))
