// Agents and frameworks at upstreams of every API.
import assert from 'node:assert/strict'
import path from 'node:path'
import { ChatAnthropic } from '@langchain/anthropic'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool as langchainTool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from '@openai/agents'
import { z } from 'zod'
import { cross, world } from '../crossing.mjs'
import { blockOf } from '../guide.mjs'
import { args } from '../natively.mjs'
import { run } from './agent.mjs'

const trip = z.object({ city: z.string(), days: z.number() })
setTracingDisabled(true)

// LangChain by one of its models.
const langchain = (speaks, make) => {
  const made = (model) => make({ model, apiKey: world.key })
  const counted = ({ text, usage_metadata: u }) => ({ text, input: u.input_tokens, output: u.output_tokens })
  const streamed = async (m, ask) => {
    let all
    for await (const part of await m.stream(ask)) all = all ? all.concat(part) : part
    return all
  }
  return {
    speaks,
    text: async (model) => counted(await made(model).invoke('Say hello.')),
    async stream(model) {
      const { text, ...tokens } = counted(await streamed(made(model), 'Say hello.'))
      return speaks === 'messages' ? { text } : { text, ...tokens } // its sum of the first and the last event's counts is not the upstream's
    },
    async tool(model, stream) {
      const weather = langchainTool(async () => 'sun', { name: 'get_weather', description: 'Tells the weather.', schema: trip })
      const bound = made(model).bindTools([weather])
      const ask = (messages) => (stream ? streamed(bound, messages) : bound.invoke(messages))
      const messages = [new HumanMessage('What is the weather?')]
      const first = await ask(messages)
      messages.push(first, new ToolMessage({ content: 'sun', tool_call_id: first.tool_calls[0].id }))
      return { ran: first.tool_calls.map((c) => c.args), text: (await ask(messages)).text }
    },
    object: (model) => made(model).withStructuredOutput(trip).invoke('Plan a trip.'),
    failure: (e) => e,
  }
}

// OpenAI's agents at their default, or at the API of before.
const agents = (speaks, useResponses) => {
  const runner = () => new Runner({ modelProvider: new OpenAIProvider({ apiKey: world.key, baseURL: `${world.origin}/v1`, useResponses }) })
  const told = (r) => ({ text: r.finalOutput, input: r.runContext.usage.inputTokens, output: r.runContext.usage.outputTokens })
  const ask = async (agent, what, stream) => {
    const r = await runner().run(agent, what, { stream })
    if (stream) {
      for await (const _ of r.toTextStream());
      await r.completed
    }
    return r
  }
  return {
    speaks,
    text: async (model) => told(await ask(new Agent({ name: 'Guide', instructions: 'Be short.', model }), 'Say hello.')),
    stream: async (model) => told(await ask(new Agent({ name: 'Guide', model }), 'Say hello.', true)),
    async tool(model, stream) {
      const ran = []
      const weather = tool({ name: 'get_weather', description: 'Tells the weather.', parameters: trip, execute: async (input) => (ran.push(input), 'sun') })
      const { finalOutput } = await ask(new Agent({ name: 'Guide', model, tools: [weather] }), 'What is the weather?', stream)
      return { ran, text: finalOutput }
    },
    object: async (model) => (await ask(new Agent({ name: 'Guide', model, outputType: trip }), 'Plan a trip in JSON.')).finalOutput,
    failure: (e) => e,
  }
}

// An agent that runs commands of its own, and its upstream's word for it.
const terminal = (speaks, call, exec, more) => {
  const say = async (model) => {
    const r = await exec(model)
    await r.clean()
    if (r.code) throw new Error(r.out + r.err)
    return { text: r.out.trim() }
  }
  const quiet = async (model) => {
    const { call } = world.up
    world.up.call = () => undefined
    return say(model).finally(() => (world.up.call = call))
  }
  return {
    speaks,
    call,
    text: quiet,
    async tool(model) {
      const { text } = await say(model)
      return { ran: /from-the-tool/.test(world.up.last.raw.split('echo from-the-tool').join('')) ? [args] : [], text }
    },
    failure: (e) => ({ message: e.message }),
    ...more,
  }
}

const claude = path.resolve(import.meta.dirname, `node_modules/@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude`)
const codex = path.resolve(import.meta.dirname, 'node_modules/@openai/codex/bin/codex.js')

cross({
  'LangChain, chat': langchain('chat', (o) => new ChatOpenAI({ ...o, configuration: { baseURL: `${world.origin}/v1` } })),
  'LangChain, responses': langchain('responses', (o) => new ChatOpenAI({ ...o, useResponsesApi: true, configuration: { baseURL: `${world.origin}/v1` } })),
  'LangChain, Anthropic': langchain('messages', (o) => new ChatAnthropic({ ...o, anthropicApiUrl: world.origin })),
  'OpenAI Agents': agents('responses'),
  'OpenAI Agents, chat': agents('chat', false),
  'Claude Code': terminal('messages', () => ['Bash', { command: 'echo from-the-tool', description: 'Says it' }], (model) => run(claude, ['-p', 'Do it.'], {
    env: { ANTHROPIC_BASE_URL: world.origin, ANTHROPIC_AUTH_TOKEN: world.key, ANTHROPIC_MODEL: model },
  }), {
    attempts: 6,
    passed({ headers, body }) {
      assert.match(headers['anthropic-beta'], /claude-code/)
      assert.match(body.system[0].text, /^x-anthropic-billing-header/)
      assert.match(body.metadata.user_id, /session_id/)
    },
  }),
  Codex: terminal('responses', () => ['exec_command', { cmd: 'echo from-the-tool' }], async (model) => run(process.execPath, [codex, 'exec', '--skip-git-repo-check', 'Do it.'], {
    env: { TALLYGATE_KEY: world.key }, files: { '.codex/config.toml': (await blockOf('codex', 'toml', world)).replace('sim-small', model) + (/-(fails|cut)$/.test(model) ? 'stream_max_retries = 0\n' : '') },
  }), {
    passed({ body }) {
      assert.deepEqual([body.store, body.include], [false, ['reasoning.encrypted_content']])
      assert.ok(body.prompt_cache_key && body.client_metadata)
    },
  }),
})
