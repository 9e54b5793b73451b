// The JavaScript client against a scripted gateway and pretend extensions: which
// of them is asked, what is sent, and what comes of every kind of answer.
import { test, before, after, afterEach } from 'node:test'
import assert from 'node:assert/strict'
import http from 'node:http'
import fs from 'node:fs/promises'
import { WebLLMClient, WebLLMError, generateText, streamText, generateObject } from '../../assets/sdk/webllm.js'

const gatewayToken = 'wlm-abc123xyz.eyJhbGc.x.y'
const { fetch } = globalThis
let server, url, seen, answer

before(async () => {
  server = http.createServer(async (req, res) => {
    let body = ''
    for await (const b of req) body += b
    const got = { method: req.method, url: req.url, headers: req.headers, body: JSON.parse(body), closed: new Promise((ok) => res.on('close', () => ok(!res.writableFinished))) }
    seen.push(got)
    await answer(res, got)
  })
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok))
  url = `http://127.0.0.1:${server.address().port}`
})
after(() => server.close())
afterEach(() => {
  globalThis.fetch = fetch
  delete globalThis.window
  delete globalThis.navigator
})

// client makes a client of a gateway that answers in a given way.
function client(how, options) {
  seen = []
  answer = how
  return new WebLLMClient({ gatewayToken, gatewayUrl: url, ...options })
}

const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: 0.000012 }
const says = (text, { status = 200, headers = {}, body } = {}) => (res) => {
  res.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_1', 'x-tallygate-provider': 'sim', ...headers })
  res.end(typeof body === 'string' ? body : JSON.stringify(body ?? { model: 'sim-small', choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], usage }))
}
const event = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const delta = (content, finish_reason = null) => event({ model: 'sim-small', choices: [{ index: 0, delta: { content }, finish_reason }] })
const tail = delta('', 'stop') + event({ choices: [], usage }) + event('[DONE]')
const streams = (...parts) => async (res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_1', 'x-tallygate-provider': 'sim' })
  for (const p of parts) res.write(p)
  res.end()
}
const nobody = () => assert.fail('the gateway was asked')

// page pretends to be a browser with extensions.
function page({ llm, webllm } = {}) {
  globalThis.window = Object.assign(new EventTarget(), { document: {}, ...(webllm && { __webllm: webllm }) })
  Object.defineProperty(globalThis, 'navigator', { value: { ...(llm && { llm }) }, configurable: true })
}
const extension = (text) => ({ generateText: async (options) => { extension.got = options; return { text, model: 'mine', usage: { promptTokens: 1, completionTokens: 1, totalTokens: 2 } } } })

async function collect(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return pieces
}

test('text from the gateway', async () => {
  const result = await client(says('Hello!')).generateText({ prompt: 'Hi', system: 'Be kind.', model: 'sim-small', temperature: 0.5, maxTokens: 9, topP: 0.9, stopSequences: ['x'] })
  assert.deepEqual(result, {
    text: 'Hello!', usage: { promptTokens: 3, completionTokens: 2, totalTokens: 5, cost: 0.000012 },
    model: 'sim-small', provider: 'sim', finishReason: 'stop', transport: 'gateway', requestId: 'req_1',
  })
  const [{ method, url, headers, body }] = seen
  assert.equal(`${method} ${url}`, 'POST /v1/chat/completions')
  assert.equal(headers.authorization, `Bearer ${gatewayToken}`)
  assert.deepEqual(body, {
    model: 'sim-small', messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hi' }],
    temperature: 0.5, max_tokens: 9, top_p: 0.9, stop: ['x'],
  })
})

test('a prompt is all that is needed, and nothing else is sent', async () => {
  await client(says('Hello!')).generateText({ prompt: 'Hello!' })
  assert.deepEqual(seen[0].body, { messages: [{ role: 'user', content: 'Hello!' }] })
  const messages = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }]
  await client(says('Hello!')).generateText({ messages })
  assert.deepEqual(seen[0].body, { messages })
  await assert.rejects(client(nobody).generateText({}), { code: 'invalid_options' })
  await assert.rejects(client(nobody).generateText({ messages: [] }), { code: 'invalid_options' })
})

test('a private key works on a server, and is refused in a page', async () => {
  const gatewayToken = 'sk-webllm-gateway-abc123xyz-0123456789'
  await client(says('Hello!'), { gatewayToken }).generateText({ prompt: 'Hi' })
  assert.equal(seen[0].headers.authorization, `Bearer ${gatewayToken}`)
  page()
  assert.throws(() => new WebLLMClient({ gatewayToken }), { code: 'invalid_options' })
})

test('the functions do what the client does', async () => {
  client(says('Hello!'))
  assert.equal((await generateText({ gatewayToken, gatewayUrl: url, prompt: 'Hi' })).text, 'Hello!')
  assert.deepEqual(seen[0].body, { messages: [{ role: 'user', content: 'Hi' }] })
  client(streams(delta('Hel'), delta('lo!'), tail))
  assert.deepEqual(await collect(streamText({ gatewayToken, gatewayUrl: url, prompt: 'Hi' })), ['Hel', 'lo!'])
  client(says('{"a":1}'))
  assert.deepEqual((await generateObject({ gatewayToken, gatewayUrl: url, prompt: 'Hi', schema: { type: 'object' } })).object, { a: 1 })
})

test('the gateway may be given with a slash, a path and /v1', async () => {
  for (const [end, path] of [['', ''], ['/', ''], ['/v1', ''], ['/v1/', ''], ['/ai', '/ai'], ['/ai/v1//', '/ai']]) {
    await client(says('Hello!'), { gatewayUrl: url + end }).generateText({ prompt: 'Hi' })
    assert.equal(seen[0].url, `${path}/v1/chat/completions`, end)
  }
})

test('a gateway that is open to the public needs no token', async () => {
  await client(says('Hello!'), { gatewayToken: undefined }).generateText({ prompt: 'Hi' })
  assert.equal(seen[0].headers.authorization, undefined)
})

test('the gateway is the baked in one, else the origin of the module, else unknown', async () => {
  const source = await fs.readFile(new URL('../../assets/sdk/webllm.js', import.meta.url), 'utf8')
  const load = (text) => import(`data:text/javascript,${encodeURIComponent(text)}`)
  const asked = []
  globalThis.fetch = async (address) => { asked.push(address); return Response.json({ choices: [{ message: { content: 'Hello!' } }] }) }
  const baked = await load(source.replace("const PUBLIC_URL = ''", 'const PUBLIC_URL = "https://ai.mysite.com"'))
  const served = await load(source.replaceAll('import.meta.url', '"https://gate.example:8443/sdk/webllm.js"'))
  for (const { WebLLMClient } of [baked, served]) await new WebLLMClient({ gatewayToken }).generateText({ prompt: 'Hi' })
  assert.deepEqual(asked, ['https://ai.mysite.com/v1/chat/completions', 'https://gate.example:8443/v1/chat/completions'])
  await assert.rejects(new WebLLMClient({ gatewayToken }).generateText({ prompt: 'Hi' }), { code: 'no_gateway' })
})

test('a stream, and what it came to', async () => {
  const gateway = client(streams(delta('Hel'), delta('lo!'), tail))
  const stream = gateway.streamText({ prompt: 'Hi' })
  assert.deepEqual(await collect(stream), ['Hel', 'lo!'])
  assert.deepEqual(await stream.result(), {
    text: 'Hello!', usage: { promptTokens: 3, completionTokens: 2, totalTokens: 5, cost: 0.000012 },
    model: 'sim-small', provider: 'sim', finishReason: 'stop', transport: 'gateway', requestId: 'req_1',
  })
  assert.equal(seen[0].body.stream, true)
  assert.equal((await gateway.streamText({ prompt: 'Hi' }).result()).text, 'Hello!')
  const { textStream } = await gateway.streamText({ prompt: 'Hi' })
  assert.deepEqual(await collect(textStream), ['Hel', 'lo!'])
})

test('a stream that has said why it stopped need not say that it is done', async () => {
  const { text, finishReason } = await client(streams(delta('Hel'), delta('lo!', 'length'))).streamText({ prompt: 'Hi' }).result()
  assert.deepEqual([text, finishReason], ['Hello!', 'length'])
})

test('a stream may be cut anywhere, and end its lines in any way', async () => {
  const text = 'Olá, 世界 🎉'
  for (const end of ['\n', '\r\n', '\r']) {
    const bytes = Buffer.from((`: a comment\nevent: x\n${delta(text)}: one more\n\nid: 7\ndata:${delta('!').slice(6)}data: {"choices":\ndata: []}\n\n${tail}`).replaceAll('\n', end))
    for (let at = 1; at < bytes.length; at++) {
      globalThis.fetch = async () => new Response(new ReadableStream({
        start(c) { for (const part of [bytes.subarray(0, at), bytes.subarray(at)]) c.enqueue(part); c.close() },
      }))
      assert.deepEqual(await collect(client(nobody).streamText({ prompt: 'Hi' })), [text, '!'], `${JSON.stringify(end)} cut at ${at}`)
    }
    globalThis.fetch = async () => new Response(new ReadableStream({
      start(c) { for (const b of bytes) c.enqueue(Uint8Array.of(b)); c.close() },
    }))
    assert.deepEqual(await collect(client(nobody).streamText({ prompt: 'Hi' })), [text, '!'], `${JSON.stringify(end)} byte by byte`)
  }
})

test('a stream that breaks off or goes bad says so, after what had arrived', async () => {
  const error = { message: 'Provider "sim" failed.', type: 'upstream_error', code: 'provider_error' }
  for (const [rest, want] of [
    ['', { code: 'broken_answer' }],
    [event('{"choices":[{'), { code: 'broken_answer' }],
    [event('{}'), { code: 'broken_answer' }],
    [event({ error }), { code: 'provider_error', message: error.message, type: 'upstream_error' }],
  ]) {
    const pieces = []
    await assert.rejects(async () => {
      for await (const piece of client(streams(delta('Hel'), rest)).streamText({ prompt: 'Hi' })) pieces.push(piece)
    }, (err) => {
      assert.ok(err instanceof WebLLMError, err)
      for (const [k, v] of Object.entries(want)) assert.equal(err[k], v)
      return true
    })
    assert.deepEqual(pieces, ['Hel'])
  }
  const torn = client((res) => { res.writeHead(200); res.write(delta('Hel')); setTimeout(() => res.destroy(), 20) })
  await assert.rejects(collect(torn.streamText({ prompt: 'Hi' })), { code: 'unreachable' })
})

test('whoever leaves a stream or aborts a call ends the request', { timeout: 10_000 }, async () => {
  const endless = (res) => { res.writeHead(200); res.write(delta('Hel')) }
  for await (const piece of client(endless).streamText({ prompt: 'Hi' })) {
    assert.equal(piece, 'Hel')
    break
  }
  assert.equal(await seen[0].closed, true)

  const stop = new AbortController()
  const stream = client(endless).streamText({ prompt: 'Hi', signal: stop.signal })
  await stream.next()
  setTimeout(() => stop.abort(), 10)
  await assert.rejects(stream.next(), { name: 'AbortError' })
  assert.equal(await seen[0].closed, true)

  const reason = new Error('the user went elsewhere')
  const silent = client(() => setTimeout(() => stop2.abort(reason), 10))
  const stop2 = new AbortController()
  await assert.rejects(silent.generateText({ prompt: 'Hi', signal: stop2.signal }), reason)
  await assert.rejects(client(nobody).generateText({ prompt: 'Hi', signal: AbortSignal.abort(reason) }), reason)
})

test('a refusal of the gateway is told with everything in it', async () => {
  const error = { message: 'This visitor has used 20 of 20 requests this hour.', type: 'insufficient_quota', param: null, code: 'ip_quota' }
  const headers = { 'retry-after': '1234', 'x-should-retry': 'false', 'x-ratelimit-limit-requests': '20', 'x-ratelimit-remaining-requests': '0' }
  for (const ask of [(c) => c.generateText({ prompt: 'Hi' }), (c) => collect(c.streamText({ prompt: 'Hi' })), (c) => c.generateObject({ prompt: 'Hi', schema: {} })]) {
    await assert.rejects(ask(client(says('', { status: 429, headers, body: { error } }))), (err) => {
      assert.ok(err instanceof WebLLMError && err instanceof Error)
      const { name, code, status, type, retryAfter, limits, requestId, message } = err
      assert.deepEqual({ name, code, status, type, retryAfter, limits, requestId, message }, {
        name: 'WebLLMError', code: 'ip_quota', status: 429, type: 'insufficient_quota', retryAfter: 1234, requestId: 'req_1', message: error.message,
        limits: { 'x-ratelimit-limit-requests': '20', 'x-ratelimit-remaining-requests': '0' },
      })
      return true
    })
    assert.equal(seen.length, 1, 'a refusal is not asked again')
  }
})

test('answers that are none', async () => {
  for (const [how, code] of [
    [says('', { status: 502, body: '<html>Bad Gateway</html>' }), 'refused'],
    [says('', { status: 404, body: '' }), 'refused'],
    [says('', { body: 'Hello!' }), 'broken_answer'],
    [says('', { body: {} }), 'broken_answer'],
    [(res) => res.destroy(), 'unreachable'],
    [(res) => { res.writeHead(200, { 'content-length': 99 }); res.write('{'); setTimeout(() => res.destroy(), 20) }, 'unreachable'],
  ]) await assert.rejects(client(how).generateText({ prompt: 'Hi' }), (err) => err instanceof WebLLMError && err.code === code)
  await assert.rejects(client(nobody, { gatewayUrl: 'http://127.0.0.1:1' }).generateText({ prompt: 'Hi' }), { code: 'unreachable' })
})

test('an object', async () => {
  const schema = { type: 'object', properties: { capital: { type: 'string' } } }
  for (const text of ['{"capital":"Lisbon"}', '```json\n{"capital":"Lisbon"}\n```', ' ```\n{"capital":"Lisbon"}\n```\n']) {
    const result = await client(says(text)).generateObject({ prompt: 'Portugal?', schema, name: 'place' })
    assert.deepEqual(result.object, { capital: 'Lisbon' })
    assert.equal(result.usage.totalTokens, 5)
  }
  assert.deepEqual(seen[0].body.response_format, { type: 'json_schema', json_schema: { name: 'place', schema } })
  for (const [text, object] of [['null', null], ['0', 0], ['[]', []]]) assert.deepEqual((await client(says(text)).generateObject({ prompt: 'Hi', schema })).object, object)
  await assert.rejects(client(says('Lisbon, of course.')).generateObject({ prompt: 'Hi', schema }), { code: 'broken_answer', text: 'Lisbon, of course.' })
})

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
  const fails = (err) => ({ generateText: async () => { throw err }, streamText: async function * () { throw err } }) // eslint-disable-line require-yield
  for (const broken of [
    fails(new Error('boom')), fails(undefined), fails('no provider'), fails(Object.assign(new Error('denied'), { code: 'PERMISSION_DENIED' })),
    { generateText() { throw new Error('at once') }, streamText() { throw new Error('at once') } },
    { generateText: async () => undefined, streamText: async () => undefined },
    { generateText: async () => ({ answer: 'what?' }), streamText: async () => ({ answer: 'what?' }) },
    { generateText: async () => ({}), async * streamText() {} }, // eslint-disable-line no-empty-function
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
  assert.deepEqual(seen, [], 'the gateway was asked')
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
  const late = new (await load(1)).WebLLMClient({ gatewayUrl: url })
  setTimeout(() => {
    globalThis.window.__webllm = extension('late')
    globalThis.window.dispatchEvent(new Event('webllm:ready'))
  }, 50)
  client(nobody)
  assert.equal((await late.generateText({ prompt: 'Hi' })).text, 'late')
  page()
  const never = new (await load(2)).WebLLMClient({ gatewayUrl: url })
  client(says('Hello!'))
  assert.equal((await never.generateText({ prompt: 'Hi' })).text, 'Hello!')
})
