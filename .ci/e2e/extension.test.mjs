// The JavaScript client in a page whose visitor has an extension: who is asked,
// and what happens when one of them fails.
import { test, before, after, afterEach } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import { WebLLMClient } from '../../assets/sdk/webllm.js'
import { client, collect, delta, extension, gate, gatewayToken, nobody, page, says, streams, tail, tidy } from './scripted.mjs'

before(gate.open)
after(gate.close)
afterEach(tidy)

test('an extension is asked first, and is not told of the gateway', async () => {
  for (const where of ['llm', 'webllm']) {
    page({ [where]: extension('from mine') })
    const { signal } = new AbortController()
    const result = await client(nobody).generateText({ gatewayToken, prompt: 'Hi', system: 'Be kind.', temperature: 0.5, task: 'qa', signal })
    assert.deepEqual([result.text, result.transport, result.model, result.usage.totalTokens], ['from mine', 'extension', 'mine', 2])
    assert.deepEqual(extension.got, { prompt: 'Hi', temperature: 0.5, task: 'qa', messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hi' }] })
  }
})

test('an extension streams, in any of the ways they have', async () => {
  async function * pieces() { yield 'Hel'; yield { text: 'lo' }; yield { type: 'text-delta', textDelta: '!' } }
  for (const streamText of [pieces, async () => pieces(), async () => ({ textStream: pieces(), usage: Promise.resolve({ totalTokens: 7 }), finishReason: Promise.resolve('stop') })]) {
    page({ llm: { ...extension(''), streamText } })
    const stream = client(nobody).streamText({ prompt: 'Hi' })
    assert.deepEqual(await collect(stream), ['Hel', 'lo', '!'])
    const { text, transport } = await stream.result()
    assert.deepEqual([text, transport], ['Hello!', 'extension'])
  }
  page({ llm: extension('at once') })
  assert.deepEqual(await collect(client(nobody).streamText({ prompt: 'Hi' })), ['at once'])
})

test('an extension makes objects', async () => {
  page({ llm: extension('{"a":1}') })
  assert.deepEqual((await client(nobody).generateObject({ prompt: 'Hi', schema: { type: 'object' } })).object, { a: 1 })
  assert.match(extension.got.messages[0].content, /JSON only.*{"type":"object"}/)
  page({ llm: extension('I would rather talk.') })
  assert.equal((await client(says('{"a":1}')).generateObject({ prompt: 'Hi', schema: {} })).transport, 'gateway')
})

test('a broken extension is passed over', async () => {
  const fails = (err) => ({ generateText: async () => { throw err }, streamText: async function * () { throw err } })
  for (const broken of [
    fails(new Error('boom')), fails(undefined), fails('no provider'), fails(Object.assign(new Error('denied'), { code: 'PERMISSION_DENIED' })),
    { generateText() { throw new Error('at once') }, streamText() { throw new Error('at once') } },
    { generateText: async () => undefined, streamText: async () => undefined },
    { generateText: async () => ({ answer: 'what?' }), streamText: async () => ({ answer: 'what?' }) },
    { generateText: async () => ({}), async * streamText() {} },
    { generateText: true, streamText: true },
  ]) {
    page({ llm: broken })
    assert.equal((await client(says('Hello!')).generateText({ prompt: 'Hi' })).transport, 'gateway')
    assert.deepEqual(await collect(client(streams(delta('Hel'), delta('lo!'), tail)).streamText({ prompt: 'Hi' })), ['Hel', 'lo!'])
  }
  page()
  Object.defineProperty(globalThis.window, '__webllm', { get() { throw new Error('trapped') } })
  assert.equal((await client(says('Hello!')).generateText({ prompt: 'Hi' })).transport, 'gateway')
})

test('a visitor who says no is not got round', async () => {
  for (const refusal of [
    new DOMException('The user said no.', 'NotAllowedError'), Object.assign(new Error('no'), { code: 'user_denied' }),
    Object.assign(new Error('no'), { code: 'USER_REFUSED' }), Object.assign(new Error('no'), { code: 4001 }), Object.assign(new Error('no'), { name: 'UserRejectedError' }),
  ]) {
    page({ llm: { generateText: async () => { throw refusal } } })
    for (const ask of [(c) => c.generateText({ prompt: 'Hi' }), (c) => collect(c.streamText({ prompt: 'Hi' }))]) {
      await assert.rejects(ask(client(nobody)), (err) => err.code === 'user_refused' && err.cause === refusal)
    }
  }
})

test('an extension that fails in the middle of a stream is not followed by the gateway', async () => {
  page({ llm: { generateText() {}, async * streamText() { yield 'Hel'; throw new Error('gone') } } })
  const pieces = []
  await assert.rejects(async () => { for await (const p of client(nobody).streamText({ prompt: 'Hi' })) pieces.push(p) }, { message: 'gone' })
  assert.deepEqual(pieces, ['Hel'])
})

test('an extension that does not answer is left when the caller aborts', { timeout: 10_000 }, async () => {
  page({ llm: { generateText: () => new Promise(() => {}) } })
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 10)
  const asked = client(says('Hello!'))
  await assert.rejects(asked.generateText({ prompt: 'Hi', signal: stop.signal }), { name: 'AbortError' })
  assert.deepEqual(gate.seen, [], 'the gateway was asked')
})

test('of two failures the gateway\'s is told', async () => {
  const error = { message: 'The token expired.', code: 'token_expired' }
  page({ llm: { generateText: async () => { throw new Error('boom') } } })
  for (const prefer of ['extension', 'gateway']) {
    await assert.rejects(client(says('', { status: 401, body: { error } }), { prefer }).generateText({ prompt: 'Hi' }), { code: 'token_expired' })
  }
})

test('an extension that fails where no gateway is known tells its own reason', async () => {
  const boom = new Error('boom')
  page({ llm: { generateText: async () => { throw boom } } })
  await assert.rejects(new WebLLMClient().generateText({ prompt: 'Hi' }), boom)
})

test('the gateway can be preferred, with the extension behind it', async () => {
  page({ llm: extension('from mine') })
  assert.equal((await client(says('Hello!'), { prefer: 'gateway' }).generateText({ prompt: 'Hi' })).transport, 'gateway')
  assert.equal((await client(says('', { status: 429, body: {} }), { prefer: 'gateway' }).generateText({ prompt: 'Hi' })).transport, 'extension')
})

test('an extension that comes a little late is waited for, and one that does not come is not for long', { timeout: 10_000 }, async () => {
  const source = await fs.readFile(new URL('../../assets/sdk/webllm.js', import.meta.url), 'utf8')
  const load = (n) => import(`data:text/javascript,${encodeURIComponent(`${source}\n// load ${n}`)}`)
  page()
  const late = new (await load(1)).WebLLMClient({ gatewayUrl: gate.url })
  setTimeout(() => {
    globalThis.window.__webllm = extension('late')
    globalThis.window.dispatchEvent(new Event('webllm:ready'))
  }, 50)
  client(nobody)
  assert.equal((await late.generateText({ prompt: 'Hi' })).text, 'late')
  page()
  const never = new (await load(2)).WebLLMClient({ gatewayUrl: gate.url })
  client(says('Hello!'))
  assert.equal((await never.generateText({ prompt: 'Hi' })).text, 'Hello!')
})
