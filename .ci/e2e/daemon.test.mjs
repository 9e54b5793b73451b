// The unmodified npm package webllm@0.0.1 against the daemon shape of the gateway:
// GET /health and POST /api. Its module form needs @webllm/client, which npm does
// not have, so that npm install fails; what works is its browser build, which has
// everything inside. It is fetched as it is published, and its checksum compared.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import vm from 'node:vm'
import { Gate, raw } from './gate.mjs'

const run = promisify(execFile)
const integrity = 'PWX5fO5HIMCfuOu+WuQHJT2yNodGbRjbM5sysgszN63m+ebZGaLR0BwxihAz9nyR8cL6aNSPKxnbZtHcUNyVag=='
let g, dir, webllm, base

before(async () => {
  g = await Gate.make()
  await g.serve()
  base = `http://127.0.0.1:${g.port}`
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-webllm-'))
  await run('npm', ['pack', 'webllm@0.0.1', '--silent'], { cwd: dir })
  const tarball = await fs.readFile(path.join(dir, 'webllm-0.0.1.tgz'))
  assert.equal(createHash('sha512').update(tarball).digest('base64'), integrity)
  await run('tar', ['xzf', 'webllm-0.0.1.tgz'], { cwd: dir })
  const sandbox = vm.createContext({ fetch, AbortController, setTimeout, clearTimeout, console: { log() {}, warn() {} } })
  vm.runInContext(await fs.readFile(path.join(dir, 'package/dist/index.global.js'), 'utf8'), sandbox)
  webllm = sandbox.WebLLM
})
after(async () => {
  await g?.close()
  await fs.rm(dir, { recursive: true, force: true })
})

const client = (authToken = g.init.key) => new webllm.WebLLMClient({ daemonUrl: base, authToken })

test('generateText, without and with a model', async () => {
  for (const model of [undefined, g.init.model]) {
    const r = await client().generateText({ system: 'Be kind.', prompt: 'Hi', model, temperature: 0.5, maxTokens: 20, topP: 0.9, topK: 3, stopSequences: ['x'] })
    assert.ok(r.text)
    assert.equal(r.model, g.init.model)
    assert.equal(r.provider, 'sim')
    assert.equal(r.finishReason, 'length')
    assert.ok(r.usage.promptTokens > 0 && r.usage.completionTokens > 0 && r.usage.completionTokens <= 20)
    assert.equal(r.usage.totalTokens, r.usage.promptTokens + r.usage.completionTokens)
    const rec = await g.request(r.requestId)
    assert.equal(rec.endpoint, 'api')
    assert.equal(rec.output_tokens, r.usage.completionTokens)
  }
})

test('its chat completions', async () => {
  const c = await client().chat.completions.create({ messages: [{ role: 'user', content: 'Hi' }], max_tokens: 20, stop: 'x' })
  assert.ok(c.choices[0].message.content)
  assert.ok(c.usage.total_tokens > 0)
})

test('a refusal reaches the person: this package shows nothing but the message', async () => {
  await assert.rejects(client('llm_gw_wrong').generateText({ prompt: 'Hi' }), (err) => !/^Daemon request failed|^Unauthorized$/.test(err.message))
  const { status, body } = await raw(`${base}/api`, { body: '{"messages":[{"role":"user","content":"Hi"}],"stream":false}' })
  const said = JSON.parse(body)
  assert.equal(status, 401)
  assert.equal(typeof said.error, 'string')
  assert.equal(typeof said.message, 'string')
})
