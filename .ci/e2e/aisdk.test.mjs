// The AI SDK by three of its providers, made as their documentation makes them.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, Output, embed, generateText, isStepCount, streamText, tool } from 'ai'
import { z } from 'zod'
import { runBlock } from './guide.mjs'
import { Stage, badKey, caught, counting, usedUp } from './stage.mjs'

const trip = z.object({ city: z.string(), days: z.number() })
let s
globalThis.AI_SDK_LOG_WARNINGS = false

before(async () => (s = await Stage.open('gpt-4o-mini')))
after(() => s.close())

const providers = {
  openai: ['responses', (o) => createOpenAI(o)],
  anthropic: ['messages', (o) => createAnthropic(o)],
  'openai-compatible': ['chat/completions', (o) => createOpenAICompatible({ name: 'tallygate', ...o })],
}

const made = (name, model, { key = s.key, fetch } = {}) => providers[name][1]({ apiKey: key, baseURL: `${s.origin}/v1`, fetch })(model)
// streamed resolves to a stream's text, or is rejected with its error.
const streamed = async (ask) => {
  let failed
  const r = streamText({ ...ask, onError: ({ error }) => (failed = error) })
  let text = ''
  for await (const part of r.textStream) text += part
  if (failed) throw failed
  return { text, usage: await r.usage, finishReason: await r.finishReason, steps: await r.steps }
}

for (const [name, [endpoint]] of Object.entries(providers)) {
  for (const model of ['pretend', 'gpt-4o-mini']) {
    test(`${name}, ${model}: an answer, whole and streamed`, async () => {
      const [whole, stream] = await s.booked(endpoint, 2, async () => {
        const ask = { model: made(name, model), system: 'Be short.', prompt: 'Say hello.' }
        return [await generateText(ask), await streamed(ask)]
      })
      for (const r of [whole, stream]) {
        assert.match(r.text, model === 'pretend' ? /You said: "Say hello\."/ : /^Hello, (streamed )?wörld 🌍$/)
        assert.equal(r.finishReason, 'stop')
        if (r === stream && name === 'openai-compatible') continue // which does not ask for usage
        assert.ok(r.usage.inputTokens > 0 && r.usage.outputTokens > 0, JSON.stringify(r.usage))
      }
      const rec = await s.g.request(whole.response.headers['x-request-id'])
      assert.deepEqual([rec.input_tokens, rec.output_tokens], [whole.usage.inputTokens, whole.usage.outputTokens])
    })
  }

  test(`${name}: a tool is run, whole and streamed`, async () => {
    for (const run of [generateText, streamed]) {
      const ran = []
      const weather = tool({ description: 'Tells the weather.', inputSchema: trip, execute: async (input) => (ran.push(input), 'sun') })
      const r = await s.booked(endpoint, 2, () => run({ model: made(name, 'gpt-4o-mini'), prompt: 'What is the weather?', tools: { weather }, stopWhen: isStepCount(3) }))
      assert.deepEqual(ran, [{ city: 'Lisboa', days: 3 }])
      assert.match(r.text, /Hello, (streamed )?wörld 🌍$/)
      assert.equal(r.steps.length, 2)
      assert.deepEqual(s.up.last('gpt-4o-mini').body.messages.at(-1).content, 'sun')
    }
  })

  test(`${name}: an object by its schema`, async () => {
    const { output } = await s.booked(endpoint, 1, () => generateText({ model: made(name, 'gpt-4o-mini'), prompt: 'Plan a trip.', output: Output.object({ schema: trip }) }))
    assert.deepEqual(output, { city: 'Lisboa', days: 3 })
  })

  test(`${name}: a wrong key and an unknown model`, async () => {
    for (const [model, o, status] of [['pretend', { key: badKey }, 401], ['gpt-none', {}, 404]]) {
      const e = await caught(generateText({ model: made(name, model, o), prompt: 'hi' }))
      assert.ok(APICallError.isInstance(e), String(e))
      assert.deepEqual([e.statusCode, e.isRetryable], [status, false])
    }
  })

  test(`${name}: a stream that breaks off is an error`, async () => {
    await caught(streamed({ model: made(name, 'cut'), prompt: 'hi' }))
  })
}

test('openai: embeddings', async () => {
  const openai = createOpenAI({ apiKey: s.key, baseURL: `${s.origin}/v1` })
  const { embedding } = await embed({ model: openai.embedding('sim-embed'), value: 'hello' })
  assert.ok(embedding.length > 10)
})

// It tries any 429 again, whatever the answer says, but not for ever. All at once: it
// waits six seconds.
test('a budget that is used up', async () => {
  const jobs = Object.keys(providers).flatMap((name) => [generateText, streamed].map(async (run) => {
    const key = await s.spent((key) => generateText({ model: made(name, 'pretend', { key }), prompt: 'hi' }))
    const fetch = counting()
    const { lastError } = await caught(run({ model: made(name, 'pretend', { key, fetch }), prompt: 'hi' }))
    assert.ok(APICallError.isInstance(lastError), String(lastError))
    assert.equal(lastError.statusCode, 429)
    assert.match(lastError.message, usedUp)
    assert.equal(fetch.calls, 3)
  }))
  await Promise.all(jobs)
})

test('the program of the guide', async () => {
  const said = await runBlock('ai-sdk', s, import.meta.dirname)
  assert.equal(said.match(/pretend model sim-small/g).length, 2, said)
})
