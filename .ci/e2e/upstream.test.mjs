// The official SDK against a scripted upstream: what must pass through
// untouched, what must not, and what each thing that goes wrong becomes.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { Gate, raw, until } from './gate.mjs'
import { Upstream } from './upstream.mjs'

const messages = [{ role: 'user', content: 'hi' }]
const tools = [{ type: 'function', function: { name: 'get_weather', strict: true, parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'number' } }, required: ['city'], additionalProperties: false } } }]
const apiKey = 'sk-up-canary-Wq3nF8sZ6yLp0vTd'
let g, up, second, sdk

before(async () => {
  up = await Upstream.start()
  second = await Upstream.start()
  g = await Gate.make({ extra: { UPSTREAM_KEY: apiKey, SECOND_KEY: 'sk-second-canary-Hc9xJ2bVw5' } })
  await g.serve()
  await g.json(['gateways', 'update', g.init.gateway, '--limit', 'requests=100k/day', '--limit', 'tokens=100M/day', '--limit', 'cost=1000/day'])
  await g.json(['clients', 'update', g.init.client, '--limit', 'requests=none/minute', '--limit', 'cost=1000/month', '--limit', 'requests=100k/month'])
  await g.json(['providers', 'create', '--name', 'up', '--kind', 'openai', '--base-url', up.base, '--api-key-env', 'UPSTREAM_KEY'])
  for (const m of ['tool-user', 'floats', 'base64s', 'broken', 'flaky', 'no-money', 'bad-key', 'picky', 'slow', 'cut', 'shared']) {
    await g.json(['models', 'create', '--provider', 'up', '--name', m, '--price', 'input=3', '--price', 'cached_input=0.3', '--price', 'output=15'])
  }
  sdk = g.sdk()
})
after(async () => {
  await g.close()
  await up.stop()
  await second.stop()
})

test('adding a provider imports its models, priced from the book', async () => {
  const models = await g.json(['models', 'list', '--provider', 'up'])
  const by = Object.fromEntries(models.map((m) => [m.name, m]))
  assert.equal(by['gpt-4o-mini'].priced, true)
  assert.equal(by['gpt-4o-mini'].input_usd, '0.15')
  assert.equal(by['nobody-knows-this-model'].priced, false)
  const listed = (await sdk.models.list()).data.map((m) => m.id)
  assert.ok(listed.includes('gpt-4o-mini') && !listed.includes('nobody-knows-this-model'), String(listed))
  assert.equal((await g.json(['providers', 'test', 'up'])).ok, true)
})

test('the upstream gets its own key, never the client\'s', async () => {
  await sdk.chat.completions.create({ model: 'gpt-4o-mini', messages })
  const { headers } = up.last('gpt-4o-mini')
  assert.equal(headers.authorization, `Bearer ${apiKey}`)
  assert.ok(!JSON.stringify(headers).includes('llm_gw_'))
})

test('unknown fields reach the upstream byte by byte', async () => {
  const odd = '"x_odd" : {"b":[1.0, 2.50,1e2, 12345678901234567890],"s":"\\u00e9 \\ud83c\\udf0d","n":null,"t":true}'
  const r = await raw(`${g.base}/chat/completions`, {
    headers: { authorization: `Bearer ${g.init.key}` },
    body: `{"model":"gpt-4o-mini", ${odd} , "messages":[{"role":"user","content":"h\\u0069","x_more":[]}],"max_tokens":9,"seed":7}`,
  })
  assert.equal(r.status, 200, r.body)
  const sent = up.last('gpt-4o-mini')
  assert.ok(sent.raw.includes(odd), sent.raw)
  assert.ok(sent.raw.includes('"messages":[{"role":"user","content":"h\\u0069","x_more":[]}]'), sent.raw)
  assert.equal(sent.body.seed, 7)
  assert.equal(sent.body.max_tokens ?? sent.body.max_completion_tokens, 9)
  assert.equal(JSON.parse(r.body).system_fingerprint, 'fp_e2e')
})

test('a request without max_tokens is bounded', async () => {
  await sdk.chat.completions.create({ model: 'gpt-4o-mini', messages })
  const sent = up.last('gpt-4o-mini').body
  const bound = sent.max_completion_tokens ?? sent.max_tokens
  assert.ok(bound > 0 && bound <= 16384, `bound ${bound}`)
})

test('streams: usage is always asked of the upstream, and given if asked for', async () => {
  for (const include of [true, false]) {
    const stream = await sdk.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true, ...(include ? { stream_options: { include_usage: true } } : {}) })
    let text = '', usage
    for await (const c of stream) {
      text += c.choices[0]?.delta?.content ?? ''
      usage = c.usage ?? usage
    }
    assert.equal(text, 'Hello, streamed wörld 🌍')
    assert.equal(up.last('gpt-4o-mini').body.stream_options.include_usage, true)
    assert.equal(Boolean(usage), include)
    if (include) {
      // 0.15 and 0.60 USD per million, cached input half: exactly what was billed.
      const rec = (await g.json(['requests', 'list', '--limit', '1']))[0]
      assert.equal(rec.input_tokens, usage.prompt_tokens)
      assert.equal(rec.output_tokens, usage.completion_tokens)
      assert.equal(Math.round(usage.cost * 1e9), rec.cost_nano_usd)
      const cached = usage.prompt_tokens_details.cached_tokens
      assert.equal(rec.cost_nano_usd, (usage.prompt_tokens - cached) * 150 + cached * 75 + usage.completion_tokens * 600)
      assert.equal(rec.basis, 'exact')
    }
  }
})

test('tools, plain and streamed', async () => {
  const plain = await sdk.chat.completions.create({ model: 'tool-user', messages, tools, tool_choice: 'auto', parallel_tool_calls: false })
  assert.equal(plain.choices[0].finish_reason, 'tool_calls')
  assert.equal(plain.choices[0].message.tool_calls[0].function.name, 'get_weather')
  assert.deepEqual(up.last('tool-user').body.tools, tools)
  assert.equal(up.last('tool-user').body.parallel_tool_calls, false)
  const final = await sdk.chat.completions.stream({ model: 'tool-user', messages, tools }).finalChatCompletion()
  assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { city: 'Lisboa', days: 3 })
})

test('embeddings: base64 by default, whatever the upstream can', async () => {
  for (const model of ['floats', 'base64s', 'text-embedding-3-small']) {
    const r = await sdk.embeddings.create({ model, input: ['abc', 'defg'] })
    assert.deepEqual(Array.from(r.data[1].embedding), Array.from(Float32Array.from([1.5, -0.25, 4 / 1024, 0.1])), model)
    const f = await sdk.embeddings.create({ model, input: 'abc', encoding_format: 'float' })
    assert.equal(f.data[0].embedding[0], 0.5, model)
  }
})

test('legacy completions pass through', async () => {
  const r = await sdk.completions.create({ model: 'gpt-4o-mini', prompt: ['a', 'b'], max_tokens: 20 })
  assert.deepEqual(r.choices.map((c) => c.text), [' …a', ' …b'])
})

test('a 5xx is tried again by the gateway, and a 502 if that is in vain', async () => {
  const c = g.sdk(g.init.key, { maxRetries: 2 })
  const r = await c.chat.completions.create({ model: 'flaky', messages })
  assert.equal(r.choices[0].message.content, 'Hello, wörld 🌍')
  assert.equal(c.calls, 1)
  assert.equal(up.count('flaky'), 3)
  const e = await sdk.chat.completions.create({ model: 'broken', messages }).catch((e) => e)
  assert.ok(e instanceof OpenAI.InternalServerError, String(e))
  assert.equal(e.status, 502)
  const rec = (await g.json(['requests', 'list', '--limit', '1', '--model', 'broken']))[0]
  assert.deepEqual([rec.outcome, rec.status, rec.cost_nano_usd], ['upstream', 502, 0])
})

test('the upstream\'s own trouble is never shown as the client\'s', async () => {
  for (const [model, code] of [['no-money', 'provider_quota'], ['bad-key', 'provider_auth']]) {
    const e = await sdk.chat.completions.create({ model, messages }).catch((e) => e)
    assert.deepEqual([e.status, e.code], [502, code], e.message)
    assert.ok(!e.message.includes('sk-up'), e.message)
  }
})

test('the upstream\'s 4xx about the request is passed on', async () => {
  const e = await sdk.chat.completions.create({ model: 'picky', messages }).catch((e) => e)
  assert.ok(e instanceof OpenAI.BadRequestError)
  assert.deepEqual([e.message, e.code, e.param], ['400 temperature is too hot', 'too_hot', 'temperature'])
})

test('fallback: the next provider answers, and one request is charged once', async () => {
  await g.json(['providers', 'create', '--name', 'second', '--kind', 'custom', '--base-url', second.base, '--api-key-env', 'SECOND_KEY'])
  for (const m of ['broken', 'no-money', 'picky']) await g.json(['models', 'create', '--provider', 'second', '--name', `${m}`, '--upstream', 'fine', '--price', 'input=1', '--price', 'output=2'])
  await g.json(['providers', 'order', 'up', 'second'])
  await g.json(['providers', 'update', 'up', '--max-in-flight', '100']) // what was changed has a new start
  for (const model of ['broken', 'no-money']) {
    const [before, then] = [up.count(model), second.count('fine')]
    const { data, response } = await sdk.chat.completions.create({ model, messages }).withResponse()
    assert.equal(response.headers.get('x-tallygate-provider'), 'second')
    assert.equal(up.count(model) - before, 1)
    assert.equal(second.count('fine') - then, 1)
    const rec = await g.request(data._request_id)
    assert.deepEqual([rec.outcome, rec.provider, rec.attempts], ['ok', 'second', 2])
    const cached = data.usage.prompt_tokens_details.cached_tokens // at the input rate: no other was given
    assert.equal(rec.cost_nano_usd, (data.usage.prompt_tokens - cached + cached) * 1000 + data.usage.completion_tokens * 2000)
  }
  const streamed = await sdk.chat.completions.create({ model: 'broken', messages, stream: true })
  let text = ''
  for await (const c of streamed) text += c.choices[0]?.delta?.content ?? ''
  assert.equal(text, 'Hello, streamed wörld 🌍')
  // A 4xx about the request would be the same elsewhere: no second attempt.
  await g.json(['providers', 'update', 'up', '--max-in-flight', '101'])
  await assert.rejects(sdk.chat.completions.create({ model: 'picky', messages }), OpenAI.BadRequestError)
})

test('fallback when nobody listens at all', async () => {
  await g.json(['providers', 'create', '--name', 'dead', '--kind', 'custom', '--base-url', 'http://127.0.0.1:9/v1', '--no-import'])
  await g.json(['models', 'create', '--provider', 'dead', '--name', 'shared', '--price', 'input=1', '--price', 'output=1'])
  await g.json(['providers', 'order', 'dead', 'up', 'second'])
  const { response } = await sdk.chat.completions.create({ model: 'shared', messages }).withResponse()
  assert.equal(response.headers.get('x-tallygate-provider'), 'up')
})

test('a client that leaves is billed for what it got, and the upstream is let go', async () => {
  const stream = await sdk.chat.completions.create({ model: 'slow', messages, stream: true, max_tokens: 500 })
  let got = 0
  for await (const c of stream) {
    if (c.choices[0]?.delta?.content) got++
    if (got === 5) break // the SDK aborts the request
  }
  await until('the upstream sees the connection close', () => up.last('slow').closed)
  const rec = await until('the record', async () => (await g.json(['requests', 'list', '--model', 'slow', '--limit', '1']))[0])
  assert.equal(rec.outcome, 'canceled')
  assert.equal(rec.basis, 'held')
  assert.ok(rec.output_tokens >= got && rec.output_tokens < 200, `${rec.output_tokens} output tokens for ${got} events`)
  assert.ok(rec.cost_nano_usd >= got * 15000, `${rec.cost_nano_usd}`)
})

test('a stream that breaks off ends in an error, and is billed for what came', async () => {
  const r = await raw(`${g.base}/chat/completions`, { headers: { authorization: `Bearer ${g.init.key}` }, body: JSON.stringify({ model: 'cut', messages, stream: true }) })
  assert.equal(r.status, 200)
  assert.match(r.body, /streamed/)
  assert.match(r.body, /data: \{"error":\{.*\}\}\s*$/)
  assert.ok(!r.body.includes('[DONE]'))
  const rec = await g.request(r.headers['x-request-id'])
  assert.equal(rec.outcome, 'upstream')
  assert.ok(rec.output_tokens > 0 && rec.cost_nano_usd > 0)
})

test('what was billed is what the upstreams reported', async () => {
  await g.settled()
  const jobs = []
  for (let i = 0; i < 40; i++) {
    jobs.push(i % 3 === 0 ? sdk.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true }).then(async (s) => { for await (const _ of s); })
      : i % 3 === 1 ? sdk.chat.completions.create({ model: 'gpt-4o-mini', messages })
        : sdk.embeddings.create({ model: 'base64s', input: `text ${i}` }))
  }
  await Promise.all(jobs)
  await g.settled()
  const list = await g.json(['requests', 'list', '--limit', '1000'])
  const exact = list.filter((r) => r.basis === 'exact' && ['up', 'second'].includes(r.provider))
  const sum = (f) => exact.reduce((n, r) => n + f(r), 0)
  assert.equal(sum((r) => r.input_tokens), up.reported.prompt + second.reported.prompt)
  assert.equal(sum((r) => r.output_tokens), up.reported.completion + second.reported.completion)
  assert.equal(exact.filter((r) => r.outcome === 'ok').length, up.reported.calls + second.reported.calls)
  const counted = list.filter((r) => !['denied', 'limited'].includes(r.outcome))
  const { total, rows } = await g.json(['usage', '--by', 'model', '--since', '24h'])
  for (const f of ['input_tokens', 'output_tokens', 'cost_nano_usd']) {
    assert.equal(total[f], counted.reduce((n, r) => n + r[f], 0), f)
    assert.equal(total[f], rows.reduce((n, r) => n + r[f], 0), `rows of ${f}`)
  }
  assert.equal(total.requests, counted.length)
})
