// n8n's own nodes, as its editor makes them, at upstreams of every API.
import { before, after, test } from 'node:test'
import assert from 'node:assert/strict'
import { cross, world } from '../crossing.mjs'
import { args } from '../natively.mjs'
import { caught, usedUp } from '../stage.mjs'
import { N8n } from './n8n.mjs'

const langchain = '@n8n/n8n-nodes-langchain.'
const choose = (value) => ({ __rl: true, mode: 'list', value, cachedResultName: value })
const calculator = { name: 'Calculator', type: `${langchain}toolCalculator`, typeVersion: 1, parameters: {} }
const chain = { name: 'Basic LLM Chain', type: `${langchain}chainLlm`, typeVersion: 1.7, parameters: { batching: {} } }
const agent = { name: 'AI Agent', type: `${langchain}agent`, typeVersion: 3, parameters: { options: {} } }

// A flow is a root node and what hangs on it, by the kind of the connection. A chat model
// is under a chain and an agent, which streams where its chat does.
const chatModel = (node) => ({
  text: [chain, { ai_languageModel: node }],
  tool: [agent, { ai_languageModel: node, ai_tool: calculator }],
  stream: [agent, { ai_languageModel: node }],
})

const openai = (more) => (model) => ({
  name: 'OpenAI Chat Model', type: `${langchain}lmChatOpenAi`, typeVersion: 1.3, credentials: 'openAiApi',
  parameters: { model: choose(model), ...more, builtInTools: {}, options: {} },
})
const anthropic = (model) => ({
  name: 'Anthropic Chat Model', type: `${langchain}lmChatAnthropic`, typeVersion: 1.3, credentials: 'anthropicApi',
  parameters: { model: choose(model), options: {} },
})
const message = (model) => ({
  name: 'Message a model', type: `${langchain}openAi`, typeVersion: 2.1, credentials: 'openAiApi',
  parameters: { modelId: choose(model), responses: { values: [{ content: '={{ $json.chatInput }}' }] }, builtInTools: {}, options: {} },
})

const nodes = {
  'OpenAI Chat Model': ['responses', chatModel(openai())],
  'OpenAI Chat Model, chat': ['chat', chatModel(openai({ responsesApiEnabled: false }))],
  'Anthropic Chat Model': ['messages', chatModel(anthropic)],
  'OpenAI, message a model': ['responses', { text: [message, {}], tool: [message, { ai_tool: calculator }] }],
}

let n8n
const credentials = {}

// made is a node with its model and its credentials.
function made(node, model, by = credentials) {
  const n = typeof node === 'function' ? node(model) : node
  return n.credentials ? { ...n, credentials: by[n.credentials] } : n
}

// say makes a workflow with a model and says something to its chat. It resolves to what the
// root node put out, which a chat that streams must have streamed.
async function say([root, under], model, stream, by = credentials) {
  const top = made(root, model, by)
  const flow = await n8n.workflow(top, Object.entries(under).map(([kind, node]) => [kind, made(node, model, by)]), stream ? { responseMode: 'streaming' } : {})
  const { said, run } = await n8n.say(flow)
  const { json } = run[top.name].at(-1).data.main[0][0]
  const text = json.text ?? json.output[0].content?.[0].text ?? json.output
  if (stream) {
    const events = said.trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(events.filter((e) => e.type === 'item').map((e) => e.content).join(''), text)
  }
  return text
}

const clients = Object.fromEntries(Object.entries(nodes).map(([name, [speaks, flows]]) => [`n8n, ${name}`, {
  speaks,
  call: (tools) => [tools[0].name ?? tools[0].function.name, { input: '123*457' }],
  text: async (model) => ({ text: await say(flows.text, model) }),
  ...(flows.stream && { stream: async (model) => ({ text: await say(flows.stream, model, true) }) }),
  async tool(model, stream) {
    const text = await say(flows.tool, model, stream)
    return { ran: world.up.last.raw.includes('56211') ? [args] : [], text }
  },
  failure: (e) => ({ message: `${e.message} ${e.description}` }),
}]))

cross(clients)

before(async () => {
  n8n = await N8n.start()
  Object.assign(credentials, await n8n.credentials(world.origin, world.key))
})
after(() => n8n?.stop())

for (const [name, [, flows]] of Object.entries(nodes)) {
  test(`n8n, ${name}: a limit that is used up is told in full, and not asked again`, async () => {
    const { slug } = await world.g.createClient(name, '--limit', 'requests=1/month')
    const by = await n8n.credentials(world.origin, (await world.g.createKey(slug, 'bot')).key)
    await say(flows.text, 'gpt-5.5', false, by)
    const e = await caught(say(flows.text, 'gpt-5.5', false, by))
    assert.match(e.description, usedUp)
    const records = await world.g.json(['requests', 'list', '--client', slug])
    assert.deepEqual(records.map((r) => r.outcome), ['limited', 'ok'])
  })
}

test('n8n finds its credentials well, and lists the models', async () => {
  assert.equal((await n8n.check(credentials.openAiApi)).status, 'OK')
  const model = 'claude-3-haiku-20240307' // it asks this one, whatever there is
  assert.equal((await n8n.check(credentials.anthropicApi)).status, 'Error')
  await world.g.json(['models', 'create', '--provider', 'sim', '--name', model, '--upstream', 'sim-small'])
  assert.equal((await n8n.check(credentials.anthropicApi)).status, 'OK')
  for (const node of [openai(), anthropic, message]) {
    const list = await n8n.models(made(node, model))
    for (const name of [model, 'gpt-5.5', 'claude-opus-5-5']) assert.ok(list.includes(name), `${list}`)
  }
})
