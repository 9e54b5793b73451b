// OpenAI's agents at their default, which is responses.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from '@openai/agents'
import { z } from 'zod'
import { Stage, badKey, caught, usedUp } from '../stage.mjs'

const model = 'gpt-5.5'
let s
setTracingDisabled(true)

before(async () => (s = await Stage.open(model)))
after(() => s.close())

const runner = (apiKey = s.key) => new Runner({ modelProvider: new OpenAIProvider({ apiKey, baseURL: `${s.origin}/v1` }) })
const drained = async (r) => {
  let text = ''
  for await (const part of r.toTextStream()) text += part
  await r.completed
  return text
}

test('an answer, whole and streamed', async () => {
  for (const model of ['pretend', 'gpt-5.5']) {
    const agent = new Agent({ name: 'Guide', instructions: 'Be short.', model })
    await s.booked('responses', 2, async () => {
      const want = model === 'pretend' ? /You said: "Say hello\."/ : /^Hello, (streamed )?wörld 🌍$/
      assert.match((await runner().run(agent, 'Say hello.')).finalOutput, want)
      assert.match(await drained(await runner().run(agent, 'Say hello.', { stream: true })), want)
    })
  }
})

test('a tool is run, whole and streamed', async () => {
  for (const stream of [false, true]) {
    const ran = []
    const weather = tool({ name: 'get_weather', description: 'Tells the weather.', parameters: z.object({ city: z.string(), days: z.number() }), execute: async (input) => (ran.push(input), 'sun') })
    const r = await s.booked('responses', 2, async () => {
      const r = await runner().run(new Agent({ name: 'Guide', model, tools: [weather] }), 'What is the weather?', { stream })
      if (stream) await drained(r)
      return r
    })
    assert.deepEqual(ran, [{ city: 'Lisboa', days: 3 }])
    assert.match(r.finalOutput, /^Hello, /)
  }
})

test('one agent hands over to another', async () => {
  const guide = new Agent({ name: 'Guide', model, handoffDescription: 'Knows the way.' })
  const r = await s.booked('responses', 2, () => runner().run(new Agent({ name: 'Desk', model, handoffs: [guide] }), 'Where is it?'))
  assert.equal(r.lastAgent.name, 'Guide')
})

test('an object by its schema', async () => {
  const agent = new Agent({ name: 'Guide', model, outputType: z.object({ city: z.string(), days: z.number() }) })
  const r = await s.booked('responses', 1, () => runner().run(agent, 'Plan a trip.'))
  assert.deepEqual(r.finalOutput, { city: 'Lisboa', days: 3 })
})

test('a budget that is used up, a wrong key and an unknown model', async () => {
  const agent = (model) => new Agent({ name: 'Guide', model })
  const key = await s.spent((key) => runner(key).run(agent('pretend'), 'hi'))
  const e = await caught(runner(key).run(agent('pretend'), 'hi'))
  assert.match(e.message, usedUp)
  assert.equal(e.status, 429)
  assert.equal((await caught(runner(badKey).run(agent('pretend'), 'hi'))).status, 401)
  assert.equal((await caught(runner().run(agent('gpt-none'), 'hi'))).status, 404)
})

test('a stream that breaks off is an error', async () => {
  await caught(runner().run(new Agent({ name: 'Guide', model: 'cut' }), 'hi', { stream: true }).then(drained))
})
