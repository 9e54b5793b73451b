// Stops of every kind, and the ways in: nothing acknowledged is lost.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Gate, freePort, sleep, until } from './gate.mjs'

const messages = [{ role: 'user', content: 'hi' }]

test('kill -9 under load loses nothing that was answered', async () => {
  const g = await Gate.make()
  try {
    await g.cli(['clients', 'update', g.init.client, '--limit', 'requests=none/minute', '--limit', 'requests=1M/month']) // no engine runs: opens the store itself
    const acked = new Set()
    for (let round = 0; round < 3; round++) {
      await g.serve()
      const sdk = g.sdk()
      let stop = false
      const worker = async (i) => {
        while (!stop) {
          try {
            if (i % 2) {
              const { data: s, response } = await sdk.chat.completions.create({ model: g.init.model, messages, stream: true }).withResponse()
              let done = false
              for await (const c of s) done ||= c.choices[0]?.finish_reason === 'stop'
              if (done && !stop) acked.add(response.headers.get('x-request-id'))
            } else {
              acked.add((await sdk.chat.completions.create({ model: g.init.model, messages }))._request_id)
            }
          } catch {
            await sleep(5)
          }
        }
      }
      const workers = Array.from({ length: 8 }, (_, i) => worker(i))
      await sleep(700 + 300 * round)
      stop = true // what is answered from here on may or may not be seen
      await g.kill()
      await Promise.all(workers)
    }
    await g.serve()
    await g.settled()
    await g.verify()
    const records = JSON.parse(await g.cli(['requests', 'export', '--format', 'json']))
    const ids = records.map((r) => r.id)
    assert.equal(new Set(ids).size, ids.length, 'a record twice')
    const ok = new Set(records.filter((r) => r.outcome === 'ok').map((r) => r.id))
    for (const id of acked) assert.ok(ok.has(id), `${id} was answered and is not recorded`)
    assert.ok(acked.size > 100, `only ${acked.size} answers: too few to prove anything`)
  } finally {
    await g.close()
  }
})

test('a graceful stop lets a stream under way finish', async () => {
  const g = await Gate.make()
  try {
    await g.serve()
    const s = await g.sdk().chat.completions.create({ model: g.init.model, messages: [{ role: 'user', content: 'tell me a long story '.repeat(20) }], stream: true })
    g.proc.kill('SIGTERM')
    let finish
    for await (const c of s) finish = c.choices[0]?.finish_reason ?? finish
    assert.ok(finish, 'the stream was cut')
    assert.equal((await g.exited).code, 0)
  } finally {
    await g.close()
  }
})

test('nothing configured, no terminal: sets itself up, prints a curl that works, serves', async () => {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-first-'))
  const port = await freePort()
  const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/_API_KEY$/.test(k)))
  const p = spawn(process.env.TALLYGATE_BIN, ['--data', path.join(dir, 'data'), '--listen', `127.0.0.1:${port}`], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  p.stdout.on('data', (b) => (out += b))
  p.stderr.on('data', (b) => (out += b))
  const exited = new Promise((ok) => p.on('close', ok))
  try {
    await until('a curl is printed', () => /curl [^]*\n/.test(out) && /llm_gw_\w+/.test(out))
    await until('it serves', () => fetch(`http://127.0.0.1:${port}/readyz`).then((r) => r.ok, () => false))
    const curl = out.match(/^\s*(curl (?:.*\\\n)*.*)$/m)[1]
    assert.ok(curl.includes(`127.0.0.1:${port}`), `the curl names another address: ${curl}`)
    const answer = await new Promise((ok) => {
      const c = spawn('sh', ['-c', curl])
      let s = ''
      c.stdout.on('data', (b) => (s += b))
      c.on('close', () => ok(s))
    })
    assert.ok(JSON.parse(answer).choices[0].message.content, answer)
  } finally {
    p.kill('SIGTERM')
    assert.equal(await exited, 0, out)
    await fs.rm(dir, { recursive: true, force: true })
  }
})

test('serve never sets itself up', async () => {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-serve-'))
  const p = spawn(process.env.TALLYGATE_BIN, ['serve', '--data', path.join(dir, 'data'), '--listen', `127.0.0.1:${await freePort()}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  p.stdout.on('data', (b) => (out += b))
  p.stderr.on('data', (b) => (out += b))
  const exited = new Promise((ok) => p.on('close', ok))
  await until('it says what to do', () => /init/.test(out))
  assert.doesNotMatch(out, /llm_gw_/)
  p.kill('SIGTERM')
  await exited
  await fs.rm(dir, { recursive: true, force: true })
})
