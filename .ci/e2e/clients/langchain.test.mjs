// LangChain's chat models: chat completions, which is ChatOpenAI's default, responses, and
// Anthropic's messages.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { ChatAnthropic } from '@langchain/anthropic'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import { z } from 'zod'
import { runBlock } from '../guide.mjs'
import { Stage, badKey, caught, usedUp } from '../stage.mjs'

const trip = z.object({ city: z.string(), days: z.number() })
let s

before(async () => (s = await Stage.open('gpt-4o-mini')))
after(() => s.close())

const models = {
  chat: ['chat/completions', (model, apiKey, o) => new ChatOpenAI({ model, apiKey, configuration: { baseURL: `${s.origin}/v1` }, ...o })],
  responses: ['responses', (model, apiKey, o) => new ChatOpenAI({ model, apiKey, useResponsesApi: true, configuration: { baseURL: `${s.origin}/v1` }, ...o })],
  anthropic: ['messages', (model, apiKey, o) => new ChatAnthropic({ model, apiKey, anthropicApiUrl: s.origin, ...o })],
}

for (const [name, [endpoint, make]] of Object.entries(models)) {
  const made = (model, key = s.key, o = {}) => make(model, key, o)

  for (const model of ['pretend', 'gpt-4o-mini']) {
    test(`${name}, ${model}: an answer, whole and streamed`, async () => {
      const [whole, streamed] = await s.booked(endpoint, 2, async () => {
        let text
        for await (const part of await made(model).stream('Say hello.')) text = text ? text.concat(part) : part
        return [await made(model).invoke('Say hello.'), text]
      })
      for (const m of [whole, streamed]) {
        assert.match(m.text, model === 'pretend' ? /You said: "Say hello\."/ : /^Hello, (streamed )?wörld 🌍$/)
        assert.ok(m.usage_metadata.input_tokens > 0 && m.usage_metadata.output_tokens > 0, JSON.stringify(m.usage_metadata))
      }
    })
  }

  test(`${name}: a tool is called, and its result told`, async () => {
    const weather = tool(async () => 'sun', { name: 'get_weather', description: 'Tells the weather.', schema: trip })
    await s.booked(endpoint, 2, async () => {
      const bound = made('gpt-4o-mini').bindTools([weather])
      const messages = [new HumanMessage('What is the weather?')]
      const first = await bound.invoke(messages)
      assert.deepEqual(first.tool_calls.map((c) => [c.name, c.args]), [['get_weather', { city: 'Lisboa', days: 3 }]])
      messages.push(first, new ToolMessage({ content: 'sun', tool_call_id: first.tool_calls[0].id }))
      assert.match((await bound.invoke(messages)).text, /^Hello, /)
    })
  })

  test(`${name}: an object by its schema`, async () => {
    const r = await s.booked(endpoint, 1, () => made('gpt-4o-mini').withStructuredOutput(trip).invoke('Plan a trip.'))
    assert.deepEqual(r, { city: 'Lisboa', days: 3 })
  })

  test(`${name}: a budget that is used up, a wrong key and an unknown model end at once`, async () => {
    const key = await s.spent((key) => made('pretend', key).invoke('hi'))
    for (const run of [(m) => m.invoke('hi'), async (m) => { for await (const _ of await m.stream('hi')); }]) {
      const e = await caught(run(made('pretend', key)))
      assert.match(e.message, usedUp)
      assert.equal(e.status, 429)
    }
    assert.equal((await caught(made('pretend', badKey).invoke('hi'))).status, 401)
    assert.equal((await caught(made('gpt-none').invoke('hi'))).status, 404)
  })

  test(`${name}: a stream that breaks off is an error`, async () => {
    await caught((async () => { for await (const _ of await made('cut', s.key, { maxRetries: 0 }).stream('hi')); })())
  })
}

test('the program of the guide', async () => {
  const said = await runBlock('langchain', s, import.meta.dirname)
  assert.equal(said.match(/pretend model sim-small/g).length, 2, said)
})
