// The official SDKs and the AI SDK at upstreams of every API.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { Output, generateText, isStepCount, streamText, tool } from 'ai'
import OpenAI from 'openai'
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { cross, world } from './crossing.mjs'

const trip = z.object({ city: z.string(), days: z.number() })
const question = { role: 'user', content: 'What is the weather?' }
globalThis.AI_SDK_LOG_WARNINGS = false

const openai = () => new OpenAI({ apiKey: world.key, baseURL: `${world.origin}/v1` })
const anthropic = () => new Anthropic({ apiKey: world.key, baseURL: world.origin })

const chat = {
  speaks: 'chat',
  async text(model) {
    const { choices, usage } = await openai().chat.completions.create({ model, messages: [question], max_tokens: 100 })
    return { text: choices[0].message.content, input: usage.prompt_tokens, output: usage.completion_tokens }
  },
  async stream(model) {
    let text = ''
    for await (const e of await openai().chat.completions.create({ model, messages: [question], stream: true })) text += e.choices[0]?.delta.content ?? ''
    return { text }
  },
  async tool(model, stream) {
    const tools = [zodFunction({ name: 'get_weather', parameters: trip })]
    const messages = [question]
    const ask = () => (stream ? openai().chat.completions.stream({ model, messages, tools }).finalChatCompletion() : openai().chat.completions.parse({ model, messages, tools }))
    const { message } = (await ask()).choices[0]
    const [call] = message.tool_calls
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: 'sun' })
    return { ran: [call.function.parsed_arguments], text: (await ask()).choices[0].message.content }
  },
  async object(model) {
    return (await openai().chat.completions.parse({ model, messages: [question], response_format: zodResponseFormat(trip, 'trip') })).choices[0].message.parsed
  },
  failure: (e) => (assert.ok(e instanceof OpenAI.APIError, String(e)), e),
}

const responses = {
  speaks: 'responses',
  async text(model) {
    const { output_text, usage } = await openai().responses.create({ model, input: 'Say hello.' })
    return { text: output_text, input: usage.input_tokens, output: usage.output_tokens }
  },
  async stream(model) {
    let text = '', end
    for await (const e of await openai().responses.create({ model, input: 'Say hello.', stream: true })) {
      if (e.type === 'response.output_text.delta') text += e.delta
      end = e
    }
    const { usage } = end.response
    return { text, input: usage.input_tokens, output: usage.output_tokens }
  },
  async tool(model, stream) {
    const tools = [zodResponsesFunction({ name: 'get_weather', parameters: trip })]
    const input = [question]
    const ask = () => (stream ? openai().responses.stream({ model, input, tools }).finalResponse() : openai().responses.parse({ model, input, tools }))
    const { output } = await ask()
    const call = output.find((o) => o.type === 'function_call')
    input.push(...output, { type: 'function_call_output', call_id: call.call_id, output: 'sun' })
    return { ran: [call.parsed_arguments], text: (await ask()).output_text }
  },
  async object(model) {
    return (await openai().responses.parse({ model, input: 'Plan a trip.', text: { format: zodTextFormat(trip, 'trip') } })).output_parsed
  },
  failure: (e) => (assert.ok(e instanceof OpenAI.APIError, String(e)), e),
}

const told = ({ content, usage: u }) => ({
  text: content.at(-1).text, input: u.input_tokens + (u.cache_read_input_tokens ?? 0) + (u.cache_creation_input_tokens ?? 0), output: u.output_tokens,
})

const messages = {
  speaks: 'messages',
  threads: 2,
  text: async (model) => told(await anthropic().messages.create({ model, max_tokens: 100, messages: [question] })),
  stream: async (model) => told(await anthropic().messages.stream({ model, max_tokens: 100, messages: [question] }).finalMessage()),
  // The runner asks for a thread first, and goes on without when it is told that there are none.
  async tool(model, stream) {
    const ran = []
    const tool = betaZodTool({ name: 'get_weather', description: 'Tells the weather.', inputSchema: trip, run: (input) => (ran.push(input), 'sun') })
    const runner = anthropic().beta.messages.toolRunner({ model, max_tokens: 3000, messages: [question], tools: [tool], stream, thinking: { type: 'enabled', budget_tokens: 2000 } })
    if (stream) for await (const m of runner) for await (const _ of m);
    return { ran, text: (await runner.runUntilDone()).content.at(-1).text }
  },
  failure: (e) => (assert.ok(e instanceof Anthropic.APIError, String(e)), { status: e.status, message: e.message }),
}

// The AI SDK by one of its providers, made as its documentation makes it.
const ai = (speaks, make) => {
  const made = (id) => make({ apiKey: world.key, baseURL: `${world.origin}/v1` })(id)
  const streamed = async (ask) => {
    let failed
    const r = streamText({ ...ask, onError: ({ error }) => (failed = error) })
    let text = ''
    for await (const part of r.textStream) text += part
    if (failed) throw failed
    return { text, usage: await r.usage }
  }
  const counted = ({ text, usage: u }) => ({ text, input: u.inputTokens, output: u.outputTokens })
  return {
    speaks,
    text: async (id) => counted(await generateText({ model: made(id), prompt: 'Say hello.' })),
    stream: async (id) => counted(await streamed({ model: made(id), prompt: 'Say hello.' })),
    async tool(id, stream) {
      const ran = []
      const get_weather = tool({ description: 'Tells the weather.', inputSchema: trip, execute: async (input) => (ran.push(input), 'sun') })
      const { text } = await (stream ? streamed : generateText)({ model: made(id), prompt: 'What is the weather?', tools: { get_weather }, stopWhen: isStepCount(3) })
      return { ran, text }
    },
    object: async (id) => (await generateText({ model: made(id), prompt: 'Plan a trip.', output: Output.object({ schema: trip }) })).output,
    failure: (e) => ({ status: e.statusCode, message: e.message ?? JSON.stringify(e) }),
  }
}

cross({
  chat, responses, messages,
  'ai, openai': ai('responses', createOpenAI),
  'ai, anthropic': ai('messages', createAnthropic),
  'ai, openai-compatible': ai('chat', (o) => createOpenAICompatible({ name: 'tallygate', ...o })),
})

test('what only Anthropic knows reaches it, and comes back', async () => {
  const { data, response } = await anthropic().beta.messages.create({
    model: 'claude-opus-5-5', max_tokens: 3000, thinking: { type: 'enabled', budget_tokens: 2000 }, betas: ['interleaved-thinking-2025-05-14'], metadata: { user_id: 'u' },
    system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral' } }], messages: [question], context_management: { edits: [] },
  }).withResponse()
  const { body, headers } = world.up.last
  assert.deepEqual([body.thinking, body.system[0].cache_control, body.metadata, body.context_management], [{ type: 'enabled', budget_tokens: 2000 }, { type: 'ephemeral' }, { user_id: 'u' }, { edits: [] }])
  assert.equal(headers['anthropic-beta'], 'interleaved-thinking-2025-05-14')
  assert.equal(headers['x-api-key'], 'sk-up-canary-8Jx4wQ2mT6rB1nVc')
  assert.equal(headers.authorization, undefined)
  assert.deepEqual(data.content[0], { type: 'thinking', thinking: 'Let me think.', signature: 'c2ln' })
  assert.equal(response.headers.get('x-tallygate-upstream-request-id'), 'req_up_1')
})

test('a prompt is counted for an upstream that has messages, too', async () => {
  const { input_tokens } = await anthropic().messages.countTokens({ model: 'claude-opus-5-5', messages: [question] })
  assert.ok(input_tokens > 0)
})

// Anthropic takes no answer to a tool without the thinking that led to it, signed.
test('reasoning survives a tool', async () => {
  const model = 'claude-opus-5-5'
  for (const stream of [false, true]) {
    const input = [question]
    const body = { model, input, tools: [zodResponsesFunction({ name: 'get_weather', parameters: trip })], reasoning: { effort: 'high', summary: 'auto' }, include: ['reasoning.encrypted_content'], store: false }
    const ask = () => (stream ? openai().responses.stream(body).finalResponse() : openai().responses.create(body))
    const { output } = await ask()
    assert.deepEqual([output.map((o) => o.type), output[0].summary[0].text], [['reasoning', 'function_call'], 'Let me think.'])
    input.push(...output, { type: 'function_call_output', call_id: output[1].call_id, output: 'sun' })
    assert.equal((await ask()).output_text, 'Hello, wörld 🌍')
    const sent = world.up.last.body
    assert.notEqual(sent.thinking, undefined)
    assert.deepEqual(sent.messages[1].content[0], { type: 'thinking', thinking: 'Let me think.', signature: 'c2ln' })
  }
  const messages = [question]
  const ask = () => openai().chat.completions.create({ model, messages, tools: [zodFunction({ name: 'get_weather', parameters: trip })], reasoning_effort: 'high' })
  const { message } = (await ask()).choices[0]
  messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sun' })
  assert.equal((await ask()).choices[0].message.content, 'Hello, wörld 🌍')
})
