// The official SDK at the Responses API, which is what it is used for first.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { Stage, badKey, caught, counting, usedUp } from './stage.mjs'

const trip = z.object({ city: z.string(), days: z.number() })
const tool = zodResponsesFunction({ name: 'get_weather', parameters: trip })
const model = 'gpt-4o-mini'
let s

before(async () => (s = await Stage.open(model)))
after(() => s.close())

const sdk = (key = s.key) => {
  const fetch = counting()
  return Object.assign(new OpenAI({ apiKey: key, baseURL: `${s.origin}/v1`, fetch }), { counted: fetch })
}

for (const model of ['pretend', 'gpt-4o-mini']) {
  test(`${model}: an answer`, async () => {
    const { data, response } = await s.booked('responses', 1, () => sdk().responses.create({ model, instructions: 'Be short.', input: 'Say hello.' }).withResponse())
    assert.match(data.output_text, model === 'pretend' ? /You said: "Say hello\."/ : /^Hello, wörld 🌍$/)
    assert.deepEqual([data.object, data.status, data.model, data.error], ['response', 'completed', model, null])
    const rec = await s.g.request(response.headers.get('x-request-id'))
    assert.deepEqual([rec.input_tokens, rec.output_tokens, rec.stream], [data.usage.input_tokens, data.usage.output_tokens, false])
    assert.equal(response.headers.get('x-tallygate-cost-usd'), rec.cost_usd)
  })

  test(`${model}: a stream, event by event and by the helper`, async () => {
    await s.booked('responses', 2, async () => {
      const types = []
      let text = '', last
      for await (const e of await sdk().responses.create({ model, input: 'Say hello.', stream: true })) {
        types.push(e.type)
        if (e.type === 'response.output_text.delta') text += e.delta
        assert.equal(e.sequence_number, types.length - 1)
        last = e
      }
      assert.equal(types[0], 'response.created')
      assert.equal(last.type, 'response.completed')
      assert.equal(last.response.output[0].content[0].text, text)
      const final = await sdk().responses.stream({ model, input: 'Say hello.' }).finalResponse()
      assert.equal(final.output_text, text)
      assert.ok(final.usage.input_tokens > 0 && final.usage.output_tokens > 0)
    })
  })

  test(`${model}: parse`, async () => {
    const ask = { model, input: 'Plan a trip.', text: { format: zodTextFormat(trip, 'trip') } }
    const [whole, streamed] = await s.booked('responses', 2, async () => [await sdk().responses.parse(ask), await sdk().responses.stream(ask).finalResponse()])
    trip.parse(whole.output_parsed)
    assert.deepEqual(streamed.output_parsed, whole.output_parsed)
  })
}

test('function tools: called, answered, and the answer told', async () => {
  await s.booked('responses', 4, async () => {
    for (const stream of [false, true]) {
      const ask = async (body) => stream ? sdk().responses.stream(body).finalResponse() : sdk().responses.parse(body)
      const input = [{ role: 'user', content: 'What is the weather?' }]
      const first = await ask({ model, input, tools: [tool] })
      const [call] = first.output
      assert.deepEqual([call.type, call.name, call.parsed_arguments], ['function_call', 'get_weather', { city: 'Lisboa', days: 3 }])
      input.push(...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'sun' })
      const second = await ask({ model, input, tools: [tool] })
      assert.match(second.output_text, /^Hello, /)
      const sent = s.up.last(model).body
      assert.deepEqual(sent.messages.map((m) => m.role), ['user', 'assistant', 'tool'])
      assert.deepEqual([sent.messages[2].tool_call_id, sent.messages[2].content], [sent.messages[1].tool_calls[0].id, 'sun'])
      assert.deepEqual([sent.tools[0].function.strict, sent.tools[0].function.parameters.required], [true, ['city', 'days']])
    }
  })
})

test('chat, as before', async () => {
  const c = await s.booked('chat/completions', 1, () => sdk().chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] }))
  assert.equal(c.choices[0].message.content, 'Hello, wörld 🌍')
})

test('a budget that is used up, a wrong key and an unknown model are each the SDK\'s own error, once', async () => {
  const ask = (c, model = 'pretend') => c.responses.create({ model, input: 'hi' })
  const spent = sdk(await s.spent((key) => ask(sdk(key))))
  for (const stream of [false, true]) {
    const e = await caught(spent.responses.create({ model: 'pretend', input: 'hi', stream }))
    assert.ok(e instanceof OpenAI.RateLimitError, String(e))
    assert.match(e.message, usedUp)
    assert.equal(e.code, 'requests_limit')
  }
  assert.equal(spent.counted.calls, 2, 'the SDK tried again')
  const wrong = await caught(ask(sdk(badKey)))
  assert.ok(wrong instanceof OpenAI.AuthenticationError, String(wrong))
  const unknown = await caught(ask(sdk(), 'gpt-none'))
  assert.ok(unknown instanceof OpenAI.NotFoundError, String(unknown))
  assert.equal(unknown.code, 'model_not_found')
})

test('what cannot be done is told by its field', async () => {
  const e = await caught(sdk().responses.create({ model, input: 'hi', background: true }))
  assert.ok(e instanceof OpenAI.BadRequestError, String(e))
  assert.equal(e.param, 'background')
})

test('a stream that breaks off is an error, event by event and by the helper', async () => {
  const raw = await caught((async () => { for await (const _ of await sdk().responses.create({ model: 'cut', input: 'hi', stream: true })); })())
  assert.ok(raw instanceof OpenAI.APIError, String(raw))
  const helped = await caught(sdk().responses.stream({ model: 'cut', input: 'hi' }).finalResponse())
  assert.ok(helped instanceof OpenAI.OpenAIError, String(helped))
  await s.g.settled()
  for (const r of await s.g.json(['requests', 'list', '--model', 'cut'])) assert.deepEqual([r.endpoint, r.outcome], ['responses', 'upstream'])
})
