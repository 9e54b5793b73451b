// A headless Chromium whose pages remember what they asked for and what went wrong,
// a site with an origin of its own, and a proxy that says whom it forwards for.
import assert from 'node:assert/strict'
import http from 'node:http'
import { chromium } from 'playwright-core'

assert.ok(process.env.CHROMIUM, 'CHROMIUM is not set: start the tests with .ci/e2e/run')

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM })

// open opens a page of its own context. Its .faults are what the console shows in
// red, among it every violation of a policy; its .asked all addresses it asked.
export async function open(browser, url, { prepare = () => {}, ...options } = {}) {
  const page = await browser.newPage(options)
  page.faults = []
  page.asked = []
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && page.faults.push(m.text()))
  page.on('pageerror', (e) => page.faults.push(String(e)))
  page.on('request', (r) => page.asked.push(r.url()))
  await page.addInitScript(prepare)
  await page.goto(url)
  return page
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
