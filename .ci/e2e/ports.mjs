// Ports that are free, and waiting for what must become true.
import assert from 'node:assert/strict'
import net from 'node:net'

// Ports of tests lie below those that systems give to connections and to listeners of
// port 0, so that nothing takes one between its choice and its use.
let port = Math.floor(Math.random() * 22_000)

// freePort is a port that nobody uses, another one each time.
export async function freePort() {
  for (;;) {
    const next = 10_000 + (++port % 22_000)
    const s = net.createServer()
    const free = await new Promise((ok) => s.once('error', () => ok(false)).listen(next, '127.0.0.1', () => ok(true)))
    if (free) await new Promise((ok) => s.close(ok))
    if (free) return next
  }
}

export const sleep = (ms) => new Promise((ok) => setTimeout(ok, ms))

// until waits for something that must become true soon.
export async function until(what, f, ms = 10_000) {
  const end = Date.now() + ms
  for (;;) {
    const v = await f()
    if (v) return v
    if (Date.now() > end) assert.fail(`not within ${ms} ms: ${what}`)
    await sleep(50)
  }
}
