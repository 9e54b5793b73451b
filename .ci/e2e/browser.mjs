// A real browser, and what it meets: a site with an origin of its own, and a
// proxy that says whom it forwards for.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import { chromium } from 'playwright-core'

const paths = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].filter(Boolean)

export async function openBrowser() {
  const executablePath = paths.find((path) => fs.existsSync(path))
  assert.ok(executablePath, `no browser at ${paths.join(', ')}: install Debian's package chromium, or name one in CHROMIUM`)
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
}

async function listening(server) {
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok))
  return { port: server.address().port, close: () => { server.closeAllConnections(); server.close() } }
}

// site serves an empty page.
export function site() {
  return listening(http.createServer((req, res) => {
    res.writeHead(200, { 'content-type': 'text/html' })
    res.end('<!doctype html><title>A site</title><link rel="icon" href="data:,">')
  }))
}

// proxy forwards to a port of this machine for a visitor at an address, as a
// reverse proxy would: streams and trailers pass through as they come.
export function proxy(port, address) {
  return listening(http.createServer((req, res) => {
    const headers = { ...req.headers, 'x-forwarded-for': [req.headers['x-forwarded-for'], address].filter(Boolean).join(', ') }
    const up = http.request({ host: '127.0.0.1', port, path: req.url, method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    up.on('error', () => res.destroy())
    req.pipe(up)
  }))
}
