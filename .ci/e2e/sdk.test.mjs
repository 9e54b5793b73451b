// The official SDK against the pretend upstream: what a first user meets.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import OpenAI from 'openai'
import { Gate, raw } from './gate.mjs'

const ask = [{ role: 'user', content: 'Say hello to the e2e run.' }]
let g, sdk, model

before(async () => {
  g = await Gate.make()
  await g.serve()
  sdk = g.sdk()
  model = g.init.model
})
after(() => g.close())

test('init prints a gateway, a client, a key, an address and a curl', () => {
  for (const f of ['gateway', 'client', 'key', 'base_url', 'curl', 'model']) assert.ok(g.init[f], f)
})

test('chat', async () => {
  const { data, response } = await sdk.chat.completions.create({ model, messages: ask }).withResponse()
  assert.ok(data.choices[0].message.content.length > 0)
  assert.equal(data.choices[0].finish_reason, 'stop')
  assert.ok(data.usage.prompt_tokens > 0 && data.usage.completion_tokens > 0)
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens)
  const h = response.headers
  assert.equal(data._request_id, h.get('x-request-id'))
  assert.equal(h.get('x-tallygate-model'), model)
  assert.equal(h.get('x-tallygate-provider'), 'sim')
  assert.match(h.get('x-tallygate-cost-usd'), /^\d+(\.\d+)?$/)
  for (const what of ['limit', 'remaining', 'reset']) assert.ok(h.get(`x-ratelimit-${what}-requests`), `x-ratelimit-${what}-requests`)
  assert.ok(Number(h.get('x-ratelimit-remaining-requests')) < Number(h.get('x-ratelimit-limit-requests')))
  const rec = await g.request(data._request_id)
  assert.equal(rec.outcome, 'ok')
  assert.equal(rec.status, 200)
  assert.equal(rec.input_tokens, data.usage.prompt_tokens)
  assert.equal(rec.output_tokens, data.usage.completion_tokens)
})

test('stream: the same answer, and usage only if asked for', async () => {
  const plain = await sdk.chat.completions.create({ model, messages: ask })
  for (const include_usage of [undefined, false, true]) {
    const stream = await sdk.chat.completions.create({
      model, messages: ask, stream: true, ...(include_usage === undefined ? {} : { stream_options: { include_usage } }),
    })
    let text = '', usage = []
    for await (const c of stream) {
      text += c.choices[0]?.delta?.content ?? ''
      if (c.usage) usage.push(c.usage)
      if (!include_usage) assert.equal(c.choices.length, 1, 'an event without a choice, though usage was not asked for')
    }
    assert.equal(text, plain.choices[0].message.content)
    assert.equal(usage.length, include_usage ? 1 : 0)
    if (include_usage) {
      assert.equal(usage[0].prompt_tokens, plain.usage.prompt_tokens)
      assert.equal(usage[0].completion_tokens, plain.usage.completion_tokens)
      assert.equal(typeof usage[0].cost, 'number')
    }
  }
})

test('stream on the wire: [DONE] at the end, the cost in a trailer', async () => {
  const r = await raw(`${g.base}/chat/completions`, {
    headers: { authorization: `Bearer ${g.init.key}` }, body: JSON.stringify({ model, messages: ask, stream: true }),
  })
  assert.equal(r.status, 200)
  assert.match(r.headers['content-type'], /^text\/event-stream/)
  assert.match(r.body, /data: \[DONE\]\s*$/)
  assert.match(r.trailers['x-tallygate-cost-usd'], /^\d+(\.\d+)?$/)
  // The answer's last byte comes after the record: it can be read at once.
  assert.equal((await g.request(r.headers['x-request-id'])).outcome, 'ok')
})

test('legacy completions, one prompt and several', async () => {
  const one = await sdk.completions.create({ model, prompt: 'Once upon a time' })
  assert.ok(one.choices[0].text.length > 0)
  const two = await sdk.completions.create({ model, prompt: ['one', 'two'] })
  assert.equal(two.choices.length, 2)
})

test('embeddings in the SDK\'s default encoding, and as floats', async () => {
  const names = (await sdk.models.list()).data.map((m) => m.id)
  const embedder = names.find((n) => /embed/.test(n))
  assert.ok(embedder, `the pretend upstream has no embedding model: ${names}`)
  const input = ['first', 'second']
  const binary = await sdk.embeddings.create({ model: embedder, input })
  const floats = await sdk.embeddings.create({ model: embedder, input, encoding_format: 'float' })
  assert.equal(binary.data.length, 2)
  for (const i of [0, 1]) {
    assert.ok(binary.data[i].embedding.length > 0, 'an empty vector')
    assert.deepEqual(Array.from(binary.data[i].embedding), Array.from(Float32Array.from(floats.data[i].embedding)))
  }
  assert.notDeepEqual(floats.data[0].embedding, floats.data[1].embedding)
  assert.ok(binary.usage.prompt_tokens > 0)
})

test('models: list and retrieve', async () => {
  const list = await sdk.models.list()
  assert.ok(list.data.some((m) => m.id === model))
  assert.equal((await sdk.models.retrieve(model)).id, model)
  await assert.rejects(sdk.models.retrieve('no-such-model'), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found')
})

test('a request without a model gets the default one', async () => {
  const r = await sdk.chat.completions.create({ messages: ask })
  assert.ok(r.choices[0].message.content)
})

test('the other spellings of a credential', async () => {
  for (const headers of [{ 'x-api-key': g.init.key }, { 'api-key': g.init.key }]) {
    const r = await raw(`${g.base}/models`, { method: 'GET', headers })
    assert.equal(r.status, 200)
  }
})

test('probes, odd paths and methods', async () => {
  const root = g.base.replace('/v1', '')
  for (const p of ['/health', '/healthz', '/readyz']) assert.equal((await raw(root + p, { method: 'GET' })).status, 200, p)
  assert.ok(JSON.parse((await raw(`${root}/health`, { method: 'GET' })).body).version)
  const r = await raw(`${root}/v1/nothing/here`, { method: 'GET', headers: { authorization: `Bearer ${g.init.key}` } })
  assert.equal(r.status, 404)
  assert.ok(JSON.parse(r.body).error.message)
  const doubled = await raw(`${root}//v1//models`, { method: 'GET', headers: { authorization: `Bearer ${g.init.key}` } })
  assert.equal(doubled.status, 200)
})

test('/v1/usage tells a key what it used and what is left', async () => {
  const r = await raw(`${g.base}/usage`, { method: 'GET', headers: { authorization: `Bearer ${g.init.key}` } })
  assert.equal(r.status, 200, r.body)
  const u = JSON.parse(r.body)
  assert.ok(Array.isArray(u.limits) && u.limits.length >= 3, r.body)
  for (const l of u.limits) {
    assert.ok(l.used >= 0 && l.held >= 0, JSON.stringify(l))
    assert.equal(l.used + l.held + l.left, l.max, JSON.stringify(l))
  }
})

test('the curl that init printed works as it is', async () => {
  // It carries the port of the default address, unless it was told another.
  const curl = g.init.curl.replaceAll(/127\.0\.0\.1:\d+/g, `127.0.0.1:${g.port}`)
  const out = await new Promise((ok) => {
    const p = spawn('sh', ['-c', `${curl}`])
    let s = ''
    p.stdout.on('data', (b) => (s += b))
    p.on('close', () => ok(s))
  })
  assert.ok(JSON.parse(out).choices[0].message.content, out)
})

test('try explains the road of a request', async () => {
  const t = await g.json(['try'])
  assert.equal(t.ok, true)
  assert.ok(t.steps.length >= 4)
})

test('usage, requests, status: tables and JSON agree', async () => {
  const u = await g.json(['usage', '--since', '24h'])
  const list = await g.json(['requests', 'list', '--limit', '1000'])
  const counted = list.filter((r) => !['denied', 'limited'].includes(r.outcome))
  assert.equal(u.total.requests, counted.length)
  assert.equal(u.total.input_tokens, counted.reduce((n, r) => n + r.input_tokens, 0))
  assert.equal(u.total.output_tokens, counted.reduce((n, r) => n + r.output_tokens, 0))
  assert.equal((await g.json(['status'])).serving, true)
  for (const c of [['status'], ['usage'], ['usage', '--by', 'model'], ['requests', 'list'], ['clients', 'list'], ['keys', 'list'], ['models', 'list'], ['providers', 'list'], ['gateways', 'list'], ['version']]) {
    assert.ok((await g.cli(c)).trim().length > 0, c.join(' '))
  }
})
