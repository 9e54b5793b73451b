// Anthropic's official SDK, against upstreams that have never heard of its API.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { z } from 'zod'
import { Stage, badKey, caught, counting, usedUp } from './stage.mjs'

const model = 'claude-opus-5-5'
const trip = z.object({ city: z.string(), days: z.number() })
const weather = { name: 'get_weather', description: 'Tells the weather.', input_schema: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'number' } }, required: ['city'] } }
const hi = { max_tokens: 500, messages: [{ role: 'user', content: 'Say hello.' }] }
let s

before(async () => (s = await Stage.open(model)))
after(() => s.close())

const sdk = (apiKey = s.key) => {
  const fetch = counting()
  return Object.assign(new Anthropic({ apiKey, baseURL: s.origin, fetch }), { counted: fetch })
}

for (const model of ['pretend', 'claude-opus-5-5']) {
  test(`${model}: an answer`, async () => {
    const { data, response } = await s.booked('messages', 1, () => sdk().messages.create({ model, system: 'Be short.', ...hi }).withResponse())
    assert.equal(data.content.length, 1)
    assert.match(data.content[0].text, model === 'pretend' ? /You said: "Say hello\."/ : /^Hello, wörld 🌍$/)
    assert.deepEqual([data.type, data.role, data.model, data.stop_reason], ['message', 'assistant', model, 'end_turn'])
    assert.equal(data._request_id, response.headers.get('request-id'))
    const rec = await s.g.request(data._request_id)
    const u = data.usage
    assert.deepEqual([rec.input_tokens, rec.output_tokens, rec.stream], [u.input_tokens + u.cache_read_input_tokens + u.cache_creation_input_tokens, u.output_tokens, false])
  })

  test(`${model}: a stream, event by event and by the helper`, async () => {
    await s.booked('messages', 2, async () => {
      const types = []
      let text = ''
      for await (const e of await sdk().messages.create({ model, ...hi, stream: true })) {
        types.push(e.type)
        if (e.type === 'content_block_delta') text += e.delta.text
      }
      assert.deepEqual([types[0], types.at(-2), types.at(-1)], ['message_start', 'message_delta', 'message_stop'])
      const final = await sdk().messages.stream({ model, ...hi }).finalMessage()
      assert.equal(final.content[0].text, text)
      assert.equal(final.stop_reason, 'end_turn')
      assert.ok(final.usage.input_tokens > 0 && final.usage.output_tokens > 0)
    })
  })
}

test('what is cut at max_tokens says so', async () => {
  const m = await s.booked('messages', 1, () => sdk().messages.create({ model: 'pretend', ...hi, max_tokens: 5 }))
  assert.deepEqual([m.stop_reason, m.usage.output_tokens], ['max_tokens', 5])
})

test('tools: called, answered, and the answer told', async () => {
  await s.booked('messages', 4, async () => {
    for (const stream of [false, true]) {
      const ask = (messages) => {
        const body = { model, max_tokens: 500, messages, tools: [weather], tool_choice: { type: 'auto', disable_parallel_tool_use: true } }
        return stream ? sdk().messages.stream(body).finalMessage() : sdk().messages.create(body)
      }
      const first = await ask(hi.messages)
      assert.equal(first.stop_reason, 'tool_use')
      const [use] = first.content
      assert.deepEqual([use.type, use.name, use.input], ['tool_use', 'get_weather', { city: 'Lisboa', days: 3 }])
      const second = await ask([...hi.messages, { role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'sun' }] }])
      assert.match(second.content[0].text, /^Hello, /)
      const sent = s.up.last(model).body
      assert.deepEqual(sent.messages.map((m) => m.role), ['user', 'assistant', 'tool'])
      assert.deepEqual([sent.messages[2].tool_call_id, sent.messages[2].content], [sent.messages[1].tool_calls[0].id, 'sun'])
      assert.equal(sent.parallel_tool_calls, false)
    }
  })
})

// The runner asks for a thread first, and goes on without when it is told that there are none.
test('the tool runner runs a tool', async () => {
  for (const stream of [false, true]) {
    const ran = []
    const tool = betaZodTool({ name: 'get_weather', description: 'Tells the weather.', inputSchema: trip, run: (input) => (ran.push(input), 'sun') })
    const final = await s.booked('messages', 2, async () => {
      const runner = sdk().beta.messages.toolRunner({ model, ...hi, tools: [tool], stream })
      if (stream) for await (const m of runner) for await (const _ of m);
      return runner.runUntilDone()
    }, 'thread_unsupported_request')
    assert.deepEqual(ran, [{ city: 'Lisboa', days: 3 }])
    assert.match(final.content[0].text, /^Hello, /)
  }
})

test('a prompt is counted, for nothing and nowhere', async () => {
  const asked = s.up.requests.length
  const { input_tokens } = await s.booked('messages', 0, () => sdk().messages.countTokens({ model, messages: hi.messages, tools: [weather] }))
  const bare = await sdk().messages.countTokens({ model, messages: hi.messages })
  assert.ok(bare.input_tokens > 0 && input_tokens > bare.input_tokens, `${bare.input_tokens}, ${input_tokens}`)
  assert.equal(s.up.requests.length, asked)
})

test('models are listed and shown', async () => {
  const seen = []
  for await (const m of sdk().models.list()) seen.push(m)
  assert.ok(['pretend', model].every((id) => seen.some((m) => m.id === id)), seen.map((m) => m.id).join())
  assert.ok(seen.every((m) => m.type === 'model' && m.display_name && !Number.isNaN(Date.parse(m.created_at))))
  assert.equal((await sdk().models.retrieve(model)).id, model)
})

test('a budget that is used up, a wrong key and an unknown model are each the SDK\'s own error, once', async () => {
  const ask = (c, model = 'pretend') => c.messages.create({ model, ...hi })
  const spent = sdk(await s.spent((key) => ask(sdk(key))))
  for (const stream of [false, true]) {
    const e = await caught(spent.messages.create({ model: 'pretend', ...hi, stream }))
    assert.ok(e instanceof Anthropic.RateLimitError, String(e))
    assert.equal(e.type, 'rate_limit_error')
    assert.match(e.message, usedUp)
    assert.ok(e.requestID)
  }
  assert.equal(spent.counted.calls, 2, 'the SDK tried again')
  const wrong = await caught(ask(sdk(badKey)))
  assert.ok(wrong instanceof Anthropic.AuthenticationError, String(wrong))
  const unknown = await caught(ask(sdk(), 'claude-none'))
  assert.ok(unknown instanceof Anthropic.NotFoundError, String(unknown))
  assert.equal(unknown.type, 'not_found_error')
})

test('an upstream that is broken is an error of the server', async () => {
  const e = await caught(new Anthropic({ apiKey: s.key, baseURL: s.origin, maxRetries: 0 }).messages.create({ model: 'broken', ...hi }))
  assert.ok(e instanceof Anthropic.InternalServerError, String(e))
})

test('a stream that breaks off is an error, event by event and by the helper', async () => {
  const raw = await caught((async () => { for await (const _ of await sdk().messages.create({ model: 'cut', ...hi, stream: true })); })())
  assert.ok(raw instanceof Anthropic.APIError, String(raw))
  const helped = await caught(sdk().messages.stream({ model: 'cut', ...hi }).finalMessage())
  assert.ok(helped instanceof Anthropic.APIError, String(helped))
  await s.g.settled()
  for (const r of await s.g.json(['requests', 'list', '--model', 'cut'])) assert.deepEqual([r.endpoint, r.outcome], ['messages', 'upstream'])
})
