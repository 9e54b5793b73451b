// Every client at upstreams of every API. Where both speak the same one, what the client
// wrote passes as it is; elsewhere it is written anew.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { Gate } from './gate.mjs'
import { Natively, args, first, text } from './natively.mjs'
import { caught } from './stage.mjs'

// The kinds of upstream: the model that each has, and the APIs, the one to translate to
// first.
const kinds = {
  custom: ['gpt-5.5', 'chat'],
  anthropic: ['claude-opus-5-5', 'messages'],
  litellm: ['gpt-4o-mini', 'chat', 'responses', 'messages'],
}
const paths = { chat: '/v1/chat/completions', responses: '/v1/responses', messages: '/v1/messages' }
const endpoints = { chat: 'chat/completions', responses: 'responses', messages: 'messages' }
const nanoUSD = { chat: 45 * 3000 + 12 * 300 + 9 * 15000, messages: 40 * 3000 + 12 * 300 + 5 * 3750 + 9 * 15000 }
nanoUSD.responses = nanoUSD.chat

// world is the gate and the upstream behind all its providers, while tests run.
export const world = {}

// cross registers the tests of clients: {name: client}. A client is
//   speaks          its API
//   text, stream    (model): asks once, and resolves to {text, input, output}; the counts
//                   of tokens are left out where it does not tell them
//   tool            (model, stream): asks twice, and resolves to {ran, text}: what its
//                   tool was called with, and what was said to the result
//   call            (tools): the tool that is called; the first if it is left out
//   object          (model): asks once, and resolves to what a schema made of the answer
//   threads         how often it asks for a thread first, which is refused
//   failure         (error): {status, message} of what it rejects with
//   passed          ({headers, body}): asserts that what only its own API has reached
//                   an upstream that has it
//   attempts        the most requests that a stream which breaks off is asked in
export function cross(clients) {
  before(async () => {
    const up = (world.up = await Natively.start())
    const g = (world.g = await Gate.make({ extra: { UPSTREAM_KEY: 'sk-up-canary-8Jx4wQ2mT6rB1nVc' } }))
    await g.serve()
    Object.assign(world, { key: g.init.key, origin: `http://127.0.0.1:${g.port}` })
    await g.json(['gateways', 'update', g.init.gateway, '--limit', 'cost=1000/day'])
    await g.json(['clients', 'update', g.init.client, '--limit', 'requests=none/minute', '--limit', 'cost=1000/month'])
    for (const [kind, [model]] of Object.entries(kinds)) {
      await g.json(['providers', 'create', '--name', kind, '--kind', kind, '--base-url', up.base, '--api-key-env', 'UPSTREAM_KEY', '--no-import'])
      for (const end of ['', '-picky', '-fails', '-cut']) {
        await g.json(['models', 'create', '--provider', kind, '--name', model + end, '--price', 'input=3', '--price', 'cached_input=0.3', '--price', 'cache_write=3.75', '--price', 'output=15', '--price', 'search=0.01'])
      }
    }
  })
  after(async () => {
    await world.g.close()
    await world.up.stop()
  })

  for (const [kind, [model, ...native]] of Object.entries(kinds)) {
    for (const [name, client] of Object.entries(clients)) {
      const way = native.includes(client.speaks) ? client.speaks : native[0]
      test(`${name} by ${kind}, which is asked by way of ${way}`, () => well(client, model, way))
      test(`${name} by ${kind}: what is refused, and streams that fail`, () => ill(client, model))
    }
  }
}

// A refusal is written down some time after its request: what began before does not count.
const latest = async () => ({ seq: (await world.g.json(['requests', 'list', '--limit', '1']))[0]?.seq ?? 0, at: Date.now() })
const since = async (then) => {
  await world.g.settled()
  return (await world.g.json(['requests', 'list', '--limit', '100'])).filter((r) => r.seq > then.seq && Date.parse(r.at) >= then.at)
}

async function well(client, model, way) {
  const { up } = world
  const then = await latest()
  const from = up.requests.length
  up.call = client.call ?? first
  let n = 0
  for (const ask of [client.text, client.stream]) {
    if (!ask) continue
    const r = await ask(model)
    assert.equal(r.text, text)
    if (r.input !== undefined) assert.deepEqual([r.input, r.output], [57, 9])
    n++
  }
  for (const stream of client.stream ? [false, true] : [false]) {
    assert.deepEqual(await client.tool(model, stream), { ran: [args], text })
    n += 2
  }
  if (client.object) {
    assert.deepEqual(await client.object(model), args)
    n++
  }
  const asked = up.requests.slice(from)
  for (const r of asked) assert.ok(!r.refused || r.refused.details, `${r.refused?.message} in ${r.raw}`)
  assert.deepEqual(asked.filter((r) => !r.refused).map((r) => r.path), Array(n).fill(paths[way]))
  if (way === client.speaks) client.passed?.(asked.at(-1))
  const records = await since(then)
  const free = records.filter((r) => r.cost_nano_usd === 0)
  assert.ok(free.length <= (client.threads ?? 0), JSON.stringify(free))
  for (const r of free) assert.ok(way === client.speaks ? r.outcome === 'upstream' : r.code === 'thread_unsupported_request', JSON.stringify(r))
  assert.deepEqual(records.filter((r) => !free.includes(r)).map((r) => [r.endpoint, r.outcome, r.basis, r.input_tokens, r.output_tokens, r.cost_nano_usd]), Array(n).fill([endpoints[client.speaks], 'ok', 'exact', 57, 9, nanoUSD[way]]))
}

async function ill(client, model) {
  const ask = client.stream ?? client.text
  const refused = client.failure(await caught(ask(`${model}-picky`)))
  assert.match(refused.message, /temperature is too hot/)
  assert.equal(refused.status ?? 400, 400)
  const then = await latest()
  assert.match(client.failure(await caught(ask(`${model}-fails`))).message, /Overloaded midway/)
  await caught(ask(`${model}-cut`))
  const records = await since(then)
  assert.ok(records.length >= 2 && records.length <= 2 * (client.attempts ?? 1), `${records.length} requests`)
  assert.deepEqual(records.map((r) => [r.endpoint, r.outcome]), Array(records.length).fill([endpoints[client.speaks], 'upstream']))
}
