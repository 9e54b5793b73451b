// A load of requests, of which it is known whose answers were whole.
import http from 'node:http'
import { sleep } from './ports.mjs'

// Load asks on and on. Whatever got its whole answer is acknowledged.
export class Load {
  acknowledged = []
  failed = []
  dead = false // nobody need answer
  left = 0
  constructor(port, key, { leave = false } = {}) {
    this.leave = leave // some callers go before the end
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 12 })
    Object.assign(this, { port, key, going: true, lines: Array.from({ length: 12 }, (_, i) => this.line(port, key, i)) })
  }

  async line(port, key, i) {
    await sleep(i * 7)
    while (this.going) {
      const stream = i % 3 === 0
      const agent = i % 4 === 1 ? new http.Agent() : this.agent // some clients keep no connection
      if (this.leave && i % 5 === 2) await this.abandon(port, key)
      await this.ask(port, key, stream, agent).then((id) => this.acknowledged.push(id), (e) => { if (!this.dead) this.failed.push(String(e)) })
      await sleep(60)
    }
  }

  ask(port, key, stream, agent) {
    return new Promise((ok, fail) => {
      const body = JSON.stringify({ model: 'sim-small', stream, messages: [{ role: 'user', content: 'say something about ledgers' }] })
      const r = http.request({ host: '127.0.0.1', port, path: '/v1/chat/completions', method: 'POST', agent,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (a) => {
        let text = ''
        a.on('data', (b) => (text += b))
        a.on('error', fail)
        a.on('end', () => {
          const whole = stream ? text.trimEnd().endsWith('data: [DONE]') : text.trimEnd().endsWith('}')
          a.statusCode === 200 && whole ? ok(a.headers['x-request-id']) : fail(new Error(`${a.statusCode} ${text.slice(0, 200)}`))
        })
      })
      r.on('error', fail)
      r.end(body)
    })
  }

  // abandon leaves in the middle of an answer.
  abandon(port, key) {
    const stop = new AbortController()
    const body = JSON.stringify({ model: 'sim-small', stream: true, messages: [{ role: 'user', content: 'a long story '.repeat(40) }] })
    return fetch(`http://127.0.0.1:${port}/v1/chat/completions`, { method: 'POST', body, signal: stop.signal,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } })
      .then((a) => a.body.getReader().read()).then(() => stop.abort()).catch(() => {}).then(() => this.left++)
  }

  async end() {
    this.going = false
    await Promise.all(this.lines)
    this.agent.destroy()
  }
}
