// Refusals: the right class of the SDK's errors, a message that names who and
// until when, and an end to retry storms.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { Gate, raw, sleep, until } from './gate.mjs'
import { Upstream } from './upstream.mjs'

const messages = [{ role: 'user', content: 'hi' }]
let g, up, model

before(async () => {
  up = await Upstream.start()
  g = await Gate.make({ extra: { UPSTREAM_KEY: 'sk-up-canary-5dK2mQ8vX1zR7tB4' } })
  await g.serve()
  model = g.init.model
  await g.json(['providers', 'create', '--name', 'up', '--kind', 'custom', '--base-url', up.base, '--api-key-env', 'UPSTREAM_KEY'])
  await g.json(['models', 'create', '--provider', 'up', '--name', 'dear', '--price', 'input=0', '--price', 'output=1000'])
})
after(async () => {
  await g.close()
  await up.stop()
})

// The first client's limits are 60 requests a minute and more: out of the way
// here.
test('limits can be removed', async () => {
  const gateway = await g.json(['gateways', 'show', g.init.gateway])
  const client = await g.json(['clients', 'show', g.init.client])
  const none = (ls) => ls.flatMap((l) => ['--limit', l.text.replace(/=[^/]+/, '=none')])
  if (gateway.limit_states?.length) await g.json(['gateways', 'update', g.init.gateway, ...none(gateway.limit_states)])
  if (client.limit_states?.length) await g.json(['clients', 'update', g.init.client, ...none(client.limit_states)])
  assert.equal((await g.json(['clients', 'show', g.init.client])).limit_states?.length ?? 0, 0)
})

// refused asserts that a call is refused as told, and returns the error.
async function refused(promise, cls, code) {
  const e = await promise.then(() => assert.fail('answered'), (e) => e)
  assert.ok(e instanceof cls, `${e.constructor.name}: ${e.message}`)
  assert.equal(e.code, code)
  assert.ok(e.headers.get('x-request-id'), 'no x-request-id')
  return e
}

const call = (key, opts) => g.sdk(key, opts).chat.completions.create({ model, messages })

test('unknown, malformed and missing keys', async () => {
  await refused(call('llm_gw_' + 'x'.repeat(49)), OpenAI.AuthenticationError, 'invalid_api_key')
  await refused(call('sk-something'), OpenAI.AuthenticationError, 'invalid_api_key')
  const r = await raw(`${g.base}/chat/completions`, { body: JSON.stringify({ model, messages }) })
  assert.equal(r.status, 401)
  assert.equal(JSON.parse(r.body).error.code, 'invalid_api_key')
})

test('one request, then a 429 that says when it resets and ends retries', async () => {
  const c = await g.createClient('Hotel Aurora', '--limit', 'requests=1/month')
  const k = await g.createKey(c.slug, 'bot')
  const sdk = g.sdk(k.key, { maxRetries: 2 })
  await sdk.chat.completions.create({ model, messages })
  sdk.calls = 0
  const e = await refused(sdk.chat.completions.create({ model, messages }), OpenAI.RateLimitError, 'requests_limit')
  assert.equal(sdk.calls, 1, 'the SDK tried again')
  assert.equal(e.type, 'insufficient_quota')
  assert.match(e.message, /^429 Client "Hotel Aurora" has used 1 of 1 requests this month; it resets on \d{4}-\d\d-01 00:00 \(\S+\)\.$/)
  assert.equal(e.headers.get('x-should-retry'), 'false')
  const retry = Number(e.headers.get('retry-after'))
  assert.ok(retry > 0 && retry <= 31 * 86400, `Retry-After ${retry}`)
  const usage = await g.json(['usage', '--by', 'client'])
  const row = usage.rows.find((r) => r.name === c.slug || r.name === c.name)
  assert.equal(row.requests, 1)
  assert.equal(row.refused, 1)
  // More room works at once.
  await g.json(['clients', 'update', c.slug, '--limit', 'requests=2/month'])
  await sdk.chat.completions.create({ model, messages })
})

test('a per-minute limit is a rate limit', async () => {
  const c = await g.createClient('Minute Man', '--limit', 'requests=1/minute')
  const k = await g.createKey(c.slug, 'bot')
  const left = 60 - (Date.now() / 1000) % 60
  // Both calls must fall into one minute, and the second waits up to ten seconds for the next.
  if (left < 15) await sleep(left * 1000 + 200)
  await call(k.key)
  const e = await refused(call(k.key), OpenAI.RateLimitError, 'rate_limit')
  assert.equal(e.type, 'rate_limit_exceeded')
  assert.ok(Number(e.headers.get('retry-after')) <= 60)
  assert.notEqual(e.headers.get('x-should-retry'), 'false')
})

test('64 at once against a limit of 10: ten, exactly', async () => {
  const c = await g.createClient('Crowd', '--limit', 'requests=10/day', '--limit', 'tokens=1M/day')
  const k = await g.createKey(c.slug, 'bot', '--limit', 'cost=100/day')
  const sdk = g.sdk(k.key)
  const all = await Promise.allSettled(Array.from({ length: 64 }, () => sdk.chat.completions.create({ model, messages })))
  assert.equal(all.filter((r) => r.status === 'fulfilled').length, 10)
  for (const r of all) if (r.status === 'rejected') assert.ok(['requests_limit', 'budget_held'].includes(r.reason.code), r.reason.message)
})

test('max_tokens is clamped to what the money buys, then refused', async () => {
  // 1000 USD per million: one cent buys ten tokens, five cents fifty.
  const c = await g.createClient('Thrifty', '--limit', 'cost=0.05/month')
  const k = await g.createKey(c.slug, 'bot')
  const sdk = g.sdk(k.key)
  const r = await sdk.chat.completions.create({ model: 'dear', messages, max_tokens: 4000 })
  const sent = up.last('dear').body
  assert.equal(sent.max_completion_tokens ?? sent.max_tokens, 50)
  const cost = r.usage.completion_tokens * 0.001
  const shown = await g.json(['clients', 'show', c.slug])
  assert.equal(shown.limit_states[0].used, Math.round(cost * 1e9))
  for (;;) { // until it does not buy the smallest answer any more
    const before = up.count('dear')
    const e = await sdk.chat.completions.create({ model: 'dear', messages, max_tokens: 4000 }).then(() => null, (e) => e)
    if (!e) continue
    assert.equal(e.code, 'cost_limit')
    assert.match(e.message, /Client "Thrifty" has used \$0\.0\d+ of \$0\.05 this month, and this request needs up to \$/)
    assert.equal(up.count('dear'), before, 'a refused request reached the upstream')
    break
  }
  const s = (await g.json(['clients', 'show', c.slug])).limit_states[0]
  assert.ok(s.used <= s.max && s.held === 0, JSON.stringify(s))
})

test('suspended, active again, inactive', async () => {
  const c = await g.createClient('Sleepy')
  const k = await g.createKey(c.slug, 'bot')
  await call(k.key)
  await g.json(['clients', 'suspend', c.slug])
  const e = await refused(call(k.key), OpenAI.PermissionDeniedError, 'client_suspended')
  assert.match(e.message, /Sleepy/)
  await g.json(['clients', 'activate', c.slug])
  await call(k.key)
  await g.json(['clients', 'update', c.slug, '--status', 'inactive'])
  await refused(call(k.key), OpenAI.PermissionDeniedError, 'client_inactive')
})

test('rotate with grace, rotate at once, revoke, expire', async () => {
  const c = await g.createClient('Keys')
  const old = await g.createKey(c.slug, 'bot')
  const rotate = async (...more) => {
    const k = await g.json(['keys', 'rotate', old.id, ...more], { secret: true })
    g.secrets.push(['rotated key', k.key])
    return k
  }
  const second = await rotate('--grace', '3s')
  await call(old.key)
  await call(second.key)
  await sleep(3200)
  await assert.rejects(call(old.key), OpenAI.AuthenticationError)
  await call(second.key)
  const third = await rotate()
  await assert.rejects(call(second.key), OpenAI.AuthenticationError)
  await call(third.key)
  await g.json(['keys', 'revoke', third.id])
  await refused(call(third.key), OpenAI.AuthenticationError, 'key_revoked')
  const brief = await g.createKey(c.slug, 'brief', '--expires', '1s')
  await sleep(1200)
  await refused(call(brief.key), OpenAI.AuthenticationError, 'key_expired')
})

test('models: unknown, not allowed, without a price', async () => {
  const c = await g.createClient('Picky', '--model', model)
  const k = await g.createKey(c.slug, 'bot')
  const ask = (m) => g.sdk(k.key).chat.completions.create({ model: m, messages })
  await ask(model)
  await refused(ask('no-such-model'), OpenAI.NotFoundError, 'model_not_found')
  await refused(ask('dear'), OpenAI.PermissionDeniedError, 'model_not_allowed')
  assert.deepEqual((await g.sdk(k.key).models.list()).data.map((m) => m.id), [model])
  const unpriced = g.sdk().chat.completions.create({ model: 'nobody-knows-this-model', messages })
  await refused(unpriced, OpenAI.PermissionDeniedError, 'model_unpriced')
})

test('a cap on requests in flight', async () => {
  await g.json(['models', 'create', '--provider', 'up', '--name', 'slow', '--price', 'input=0', '--price', 'output=0'])
  const c = await g.createClient('Queue', '--max-in-flight', '1')
  const k = await g.createKey(c.slug, 'bot')
  const first = await g.sdk(k.key).chat.completions.create({ model: 'slow', messages, stream: true })
  await refused(call(k.key), OpenAI.RateLimitError, 'concurrency_limit')
  first.controller.abort()
  await until('the slot is free again', () => call(k.key).then(() => true, () => false))
})

test('bad bodies', async () => {
  const send = async (body, headers = {}) => {
    const r = await raw(`${g.base}/chat/completions`, { headers: { authorization: `Bearer ${g.init.key}`, ...headers }, body })
    const e = JSON.parse(r.body).error
    assert.ok(e.message && e.type, r.body)
    return [r.status, e.type]
  }
  for (const body of ['', '{', '[]', 'null', '"x"', '{"model":1}', `{"model":"${model}","messages":[],"max_tokens":-1}`,
    `{"model":"${model}","model":"${model}","messages":[]}`, `{"model":"${model}","messages":[],"max_tokens":1,"max_tokens":100000}`]) {
    assert.deepEqual(await send(body), [400, 'invalid_request_error'], body)
  }
  assert.equal((await send(JSON.stringify({ model, messages: [{ role: 'user', content: 'x'.repeat(80 << 20) }] })))[0], 413)
})

test('the command line: exit codes and hints', async () => {
  const fails = async (code, ...args) => {
    const r = await g.run(args)
    assert.equal(r.code, code, `tallygate ${args.join(' ')}: ${r.code}, want ${code}\n${r.err}`)
    assert.ok(r.err.trim().length > 0)
  }
  await fails(2, 'clients', 'create') // a name is missing
  await fails(2, 'no-such-command')
  await fails(2, 'clients', 'create', '--name', 'X', '--limit', 'cost=-1/month')
  await fails(2, 'clients', 'create', '--name', 'X', '--limit', 'cost=5/fortnight')
  await fails(4, 'clients', 'show', 'nobody')
  await fails(5, 'clients', 'create', '--name', 'Twin', '--slug', 'hotel-aurora')
  await fails(6, 'serve', '--listen', '127.0.0.1:0') // this data folder is served already
})
