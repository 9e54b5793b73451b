// A tallygate under test: its own data folder, its own port, and every secret
// it was given remembered, so that the end of a test can look for them.
import { spawn } from 'node:child_process'
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import OpenAI from 'openai'
import { freePort, sleep, until } from './ports.mjs'

const bin = process.env.TALLYGATE_BIN
assert.ok(bin, 'TALLYGATE_BIN is not set: start the tests with .ci/e2e/run')

// Keys of real providers in the environment must not reach a test.
const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/_API_KEY$|^TALLYGATE_/.test(k)))

export { freePort, sleep, until }

export class Gate {
  secrets = [] // [what it is, the secret]
  printed = '' // everything the program ever said, but for the replies that create a secret
  log = ''

  // make sets a gate up with `init`, without serving yet.
  static async make({ extra = {} } = {}) {
    const g = new Gate()
    g.env = { ...env, ...extra }
    for (const [k, v] of Object.entries(extra)) if (/_KEY$/.test(k)) g.secrets.push([k, v])
    g.dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-e2e-'))
    g.data = path.join(g.dir, 'data')
    g.port = await freePort()
    g.init = await g.json(['init', '--yes'], { secret: true })
    assert.match(g.init.key, /^llm_gw_[0-9A-Za-z]{49}$/)
    g.secrets.push(['first client key', g.init.key])
    return g
  }

  // run runs a command. It resolves to {code, out, err}.
  run(args, { secret = false, input = '', env = {} } = {}) {
    return new Promise((ok, fail) => {
      const p = spawn(bin, [...args, '--data', this.data], { env: { ...this.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
      let out = '', err = ''
      p.stdout.on('data', (b) => (out += b))
      p.stderr.on('data', (b) => (err += b))
      p.on('error', fail)
      p.on('close', (code) => {
        if (!secret) this.printed += out
        this.printed += err
        ok({ code, out, err })
      })
      p.stdin.on('error', () => {})
      p.stdin.end(input)
    })
  }

  async cli(args, opts = {}) {
    const r = await this.run(args, opts)
    assert.equal(r.code, opts.code ?? 0, `tallygate ${args.join(' ')}: exit ${r.code}\n${r.err}${opts.secret ? '' : r.out}`)
    return r.out
  }

  async json(args, opts) {
    return JSON.parse(await this.cli([...args, '--json'], opts))
  }

  async createKey(client, label, ...more) {
    const k = await this.json(['keys', 'create', '--client', client, '--label', label, ...more], { secret: true })
    this.secrets.push([`key ${label}`, k.key])
    return k
  }

  async createClient(name, ...more) {
    return this.json(['clients', 'create', '--name', name, ...more])
  }

  get base() {
    return `http://127.0.0.1:${this.port}/v1`
  }

  async serve() {
    const p = spawn(bin, ['serve', '--data', this.data, '--listen', `127.0.0.1:${this.port}`], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.proc = p
    p.stdout.on('data', (b) => (this.log += b))
    p.stderr.on('data', (b) => (this.log += b))
    this.exited = new Promise((ok) => p.on('close', (code, signal) => ok({ code, signal })))
    let gone = false
    this.exited.then(() => (gone = true))
    await until('serve is ready', async () => {
      assert.ok(!gone, `serve ended:\n${this.log}`)
      try {
        return (await fetch(`http://127.0.0.1:${this.port}/readyz`)).ok
      } catch {
        return false
      }
    })
    return this
  }

  async kill() {
    this.proc.kill('SIGKILL')
    await this.exited
  }

  async stop() {
    this.proc.kill('SIGTERM')
    const { code } = await this.exited
    assert.equal(code, 0, `a graceful stop must exit 0:\n${this.log}`)
  }

  // sdk makes a client that counts the calls it sends in .calls.
  sdk(key = this.init.key, opts = {}) {
    const c = new OpenAI({
      apiKey: key, baseURL: this.base, maxRetries: 0, ...opts,
      fetch: (url, init) => { c.calls++; return fetch(url, init) },
    })
    c.calls = 0
    return c
  }

  // settled waits until nothing is held or in flight any more.
  async settled() {
    await until('no holds', async () => (await this.json(['status'])).holds === 0)
  }

  async request(id) {
    return this.json(['requests', 'show', id])
  }

  async verify() {
    const v = await this.json(['verify'])
    assert.equal(v.ok, true)
    assert.deepEqual(v.faults ?? [], [])
    return v
  }

  // close ends the gate: everything settled, the store proven, and no secret
  // anywhere it must not be.
  async close() {
    try {
      if (this.proc?.exitCode === null && this.proc.signalCode === null) {
        await this.settled()
        await this.stop()
      }
      await this.verify() // opens the store itself: nothing serves any more
      await this.lookForSecrets()
    } finally {
      this.proc?.kill('SIGKILL')
      await fs.rm(this.dir, { recursive: true, force: true })
    }
  }

  async lookForSecrets() {
    const places = [['the log', Buffer.from(this.log)], ['printed output', Buffer.from(this.printed)]]
    for (const e of await fs.readdir(this.data, { recursive: true, withFileTypes: true })) {
      if (!e.isFile()) continue
      const file = path.join(e.path ?? e.parentPath, e.name)
      places.push([path.relative(this.data, file), await fs.readFile(file)])
    }
    assert.ok(places.length > 3, 'the data folder is empty: nothing was looked at')
    for (const [what, secret] of this.secrets) {
      // The random part alone must not be there either.
      for (const form of [secret, secret.slice(8, -6), Buffer.from(secret).toString('base64')]) {
        for (const [where, bytes] of places) {
          assert.equal(bytes.includes(form), false, `${what} is in ${where}`)
        }
      }
    }
  }
}

// raw sends bytes as they are and resolves to {status, headers, trailers, body}.
export async function raw(url, { method = 'POST', headers = {}, body } = {}) {
  const http = await import('node:http')
  return new Promise((ok, fail) => {
    const r = http.request(url, { method, headers: { 'content-type': 'application/json', ...headers } }, (res) => {
      let text = ''
      res.setEncoding('utf8')
      res.on('data', (s) => (text += s))
      res.on('end', () => ok({ status: res.statusCode, headers: res.headers, trailers: res.trailers, body: text }))
      res.on('error', fail)
    })
    r.on('error', fail)
    r.end(body)
  })
}
