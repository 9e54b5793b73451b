// The JavaScript client and its gateway: what is sent, and what comes of every
// kind of answer.
import { test, before, after, afterEach } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import { WebLLMClient, WebLLMError, generateText, streamText, generateObject } from '../../assets/sdk/webllm.js'
import { client, collect, delta, event, gate, gatewayToken, nobody, page, says, streams, tail, tidy } from './scripted.mjs'

before(gate.open)
after(gate.close)
afterEach(tidy)

test('text from the gateway', async () => {
  const result = await client(says('Hello!')).generateText({ prompt: 'Hi', system: 'Be kind.', model: 'sim-small', temperature: 0.5, maxTokens: 9, topP: 0.9, stopSequences: ['x'] })
  assert.deepEqual(result, {
    text: 'Hello!', usage: { promptTokens: 3, completionTokens: 2, totalTokens: 5, cost: 0.000012 },
    model: 'sim-small', provider: 'sim', finishReason: 'stop', transport: 'gateway', requestId: 'req_1',
  })
  const [{ method, url, headers, body }] = gate.seen
  assert.equal(`${method} ${url}`, 'POST /v1/chat/completions')
  assert.equal(headers.authorization, `Bearer ${gatewayToken}`)
  assert.deepEqual(body, {
    model: 'sim-small', messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hi' }],
    temperature: 0.5, max_tokens: 9, top_p: 0.9, stop: ['x'],
  })
})

test('a prompt is all that is needed, and nothing else is sent', async () => {
  await client(says('Hello!')).generateText({ prompt: 'Hello!' })
  assert.deepEqual(gate.seen[0].body, { messages: [{ role: 'user', content: 'Hello!' }] })
  const messages = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }]
  await client(says('Hello!')).generateText({ messages })
  assert.deepEqual(gate.seen[0].body, { messages })
  await assert.rejects(client(nobody).generateText({}), { code: 'invalid_options' })
  await assert.rejects(client(nobody).generateText({ messages: [] }), { code: 'invalid_options' })
})

test('a private key works on a server, and is refused in a page', async () => {
  const gatewayToken = 'sk-webllm-gateway-abc123xyz-0123456789'
  await client(says('Hello!'), { gatewayToken }).generateText({ prompt: 'Hi' })
  assert.equal(gate.seen[0].headers.authorization, `Bearer ${gatewayToken}`)
  page()
  assert.throws(() => new WebLLMClient({ gatewayToken }), { code: 'invalid_options' })
})

test('the functions do what the client does', async () => {
  client(says('Hello!'))
  assert.equal((await generateText({ gatewayToken, gatewayUrl: gate.url, prompt: 'Hi' })).text, 'Hello!')
  assert.deepEqual(gate.seen[0].body, { messages: [{ role: 'user', content: 'Hi' }] })
  client(streams(delta('Hel'), delta('lo!'), tail))
  assert.deepEqual(await collect(streamText({ gatewayToken, gatewayUrl: gate.url, prompt: 'Hi' })), ['Hel', 'lo!'])
  client(says('{"a":1}'))
  assert.deepEqual((await generateObject({ gatewayToken, gatewayUrl: gate.url, prompt: 'Hi', schema: { type: 'object' } })).object, { a: 1 })
})

test('the gateway may be given with a slash, a path and /v1', async () => {
  for (const [end, path] of [['', ''], ['/', ''], ['/v1', ''], ['/v1/', ''], ['/ai', '/ai'], ['/ai/v1//', '/ai']]) {
    await client(says('Hello!'), { gatewayUrl: gate.url + end }).generateText({ prompt: 'Hi' })
    assert.equal(gate.seen[0].url, `${path}/v1/chat/completions`, end)
  }
})

test('a gateway that is open to the public needs no token', async () => {
  await client(says('Hello!'), { gatewayToken: undefined }).generateText({ prompt: 'Hi' })
  assert.equal(gate.seen[0].headers.authorization, undefined)
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
  assert.equal(gate.seen[0].body.stream, true)
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
  assert.equal(await gate.seen[0].closed, true)

  const stop = new AbortController()
  const stream = client(endless).streamText({ prompt: 'Hi', signal: stop.signal })
  await stream.next()
  setTimeout(() => stop.abort(), 10)
  await assert.rejects(stream.next(), { name: 'AbortError' })
  assert.equal(await gate.seen[0].closed, true)

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
    assert.equal(gate.seen.length, 1, 'a refusal is not asked again')
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
  assert.deepEqual(gate.seen[0].body.response_format, { type: 'json_schema', json_schema: { name: 'place', schema } })
  for (const [text, object] of [['null', null], ['0', 0], ['[]', []]]) assert.deepEqual((await client(says(text)).generateObject({ prompt: 'Hi', schema })).object, object)
  await assert.rejects(client(says('Lisbon, of course.')).generateObject({ prompt: 'Hi', schema }), { code: 'broken_answer', text: 'Lisbon, of course.' })
})
