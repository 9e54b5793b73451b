// Pictures, speech, voice notes and moderations with the official SDK, within budgets:
// against an upstream that keeps its own count of what it has charged.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import { toFile } from 'openai'
import { Gate } from './gate.mjs'

const note = fs.readFileSync(new URL('../../providers/sound/testdata/voice.ogg', import.meta.url))
let g, up, sdk
const seen = []

// The upstream's own answers, by path.
const answers = {
  '/v1/moderations': () => ({ id: 'modr-1', model: 'omni-moderation-latest', results: [{ flagged: false, categories: {}, category_scores: {} }] }),
  '/v1/images/generations': (body) => ({
    created: 1, data: Array.from({ length: body.n ?? 1 }, () => ({ b64_json: 'aGk=' })),
    ...(body.model.startsWith('gpt') && { usage: { input_tokens: 12, output_tokens: 272, total_tokens: 284, input_tokens_details: { text_tokens: 12, image_tokens: 0 } } }),
  }),
}

before(async () => {
  up = http.createServer(async (req, res) => {
    const chunks = []
    for await (const c of req) chunks.push(c)
    const raw = Buffer.concat(chunks)
    const type = req.headers['content-type'] ?? ''
    if (req.url === '/v1/models') return res.end(JSON.stringify({ data: [{ id: 'whisper-1' }, { id: 'tts-1' }, { id: 'gpt-image-2' }, { id: 'omni-moderation-latest' }] }))
    if (req.url === '/v1/audio/speech') {
      seen.push(JSON.parse(raw))
      res.writeHead(200, { 'content-type': 'audio/mpeg' })
      for (let i = 0; i < 20; i++) res.write(Buffer.alloc(5000, i))
      return res.end()
    }
    if (type.startsWith('multipart/')) {
      const form = await new Response(raw, { headers: { 'content-type': type } }).formData()
      seen.push(Object.fromEntries([...form.entries()].map(([k, v]) => [k, typeof v === 'string' ? v : { name: v.name, size: v.size }])))
      if (req.url === '/v1/images/edits') {
        res.writeHead(200, { 'content-type': 'application/json' })
        return res.end(JSON.stringify({ created: 1, data: [{ b64_json: 'aGk=' }] }))
      }
      if (form.get('stream') === 'true') {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write(`data: ${JSON.stringify({ type: 'transcript.text.delta', delta: 'olá' })}\n\n`)
        return res.end(`data: ${JSON.stringify({ type: 'transcript.text.done', text: 'olá', usage: { type: 'duration', seconds: 4 } })}\n\n`)
      }
      if (form.get('response_format') === 'srt') {
        res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
        return res.end('1\n00:00:00,000 --> 00:00:03,000\nolá\n')
      }
      res.writeHead(200, { 'content-type': 'application/json' })
      return res.end(JSON.stringify({ text: 'olá', usage: { type: 'duration', seconds: 4 } }))
    }
    const body = JSON.parse(raw)
    seen.push(body)
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(JSON.stringify(answers[req.url](body)))
  })
  await new Promise((ok) => up.listen(0, '127.0.0.1', ok))
  g = await Gate.make({ extra: { UPSTREAM_KEY: 'sk-media-canary-Yq7cM2vX' } })
  await g.serve()
  await g.json(['clients', 'update', g.init.client, '--limit', 'cost=1/month'])
  await g.json(['providers', 'create', '--name', 'up', '--kind', 'openai', '--base-url', `http://127.0.0.1:${up.address().port}/v1`, '--api-key-env', 'UPSTREAM_KEY'])
  await g.json(['models', 'create', '--provider', 'up', '--name', 'pictures', '--price', 'image=0.04', '--price', 'image_hd=0.08'])
  sdk = g.sdk()
})
after(async () => {
  await g.close()
  up.closeAllConnections()
  await new Promise((ok) => up.close(ok))
})

// last is the latest request as the owner sees it.
const last = async () => (await g.json(['requests', 'list', '--limit', '1']))[0]

test('models come with their prices by the piece', async () => {
  const models = await g.json(['models', 'list', '--provider', 'up'])
  for (const m of models) assert.equal(m.priced, true, m.name)
  const listed = (await sdk.models.list()).data.map((m) => m.id)
  for (const name of ['whisper-1', 'tts-1', 'gpt-image-2', 'omni-moderation-latest', 'pictures']) assert.ok(listed.includes(name), name)
})

test('moderations are free, and need no model', async () => {
  for (const request of [{ model: 'omni-moderation-latest', input: 'hi' }, { input: ['hi', 'there'] }]) {
    const r = await sdk.moderations.create(request)
    assert.equal(r.results[0].flagged, false)
    assert.equal(seen.at(-1).model, 'omni-moderation-latest')
    assert.equal((await last()).cost_nano_usd, 0)
  }
})

test('images: by the piece and by tokens', async () => {
  const two = await sdk.images.generate({ model: 'pictures', prompt: 'a cat', n: 2, quality: 'hd' })
  assert.equal(two.data.length, 2)
  let r = await last()
  assert.deepEqual([r.piece, r.pieces, r.cost_nano_usd, r.basis], ['image_hd', 2, 160_000_000, 'exact'])
  const one = await sdk.images.generate({ model: 'gpt-image-2', prompt: 'a cat', size: '1024x1024', quality: 'low' })
  assert.equal(one.usage.output_tokens, 272)
  r = await last()
  assert.equal(r.cost_nano_usd, 12 * 5000 + 272 * 30_000)
  const image = await toFile(Buffer.from('a picture'), 'cat.png', { type: 'image/png' })
  await sdk.images.edit({ model: 'pictures', image: [image, image], prompt: 'a hat on it' })
  assert.deepEqual([seen.at(-1).model, seen.at(-1).prompt], ['pictures', 'a hat on it'])
  r = await last()
  assert.deepEqual([r.piece, r.pieces, r.cost_nano_usd], ['image_hd', 1, 80_000_000]) // the dearest, as no quality is named
})

test('speech', async () => {
  const { data, response } = await sdk.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Olá, João!' }).withResponse()
  assert.equal(response.headers.get('content-type'), 'audio/mpeg')
  assert.equal((await data.arrayBuffer()).byteLength, 100_000)
  const r = await last()
  assert.deepEqual([r.piece, r.pieces, r.cost_nano_usd, r.basis], ['character', 10, 150_000, 'exact'])
})

test('voice notes: JSON, subtitles, events, translations', async () => {
  const file = await toFile(note, 'PTT-20261129-WA0001.ogg', { type: 'audio/ogg; codecs=opus' })
  assert.equal((await sdk.audio.transcriptions.create({ model: 'whisper-1', file, language: 'pt' })).text, 'olá')
  assert.deepEqual(seen.at(-1), { model: 'whisper-1', language: 'pt', file: { name: 'PTT-20261129-WA0001.ogg', size: note.length } })
  assert.deepEqual(await last().then((r) => [r.piece, r.pieces, r.cost_nano_usd, r.basis]), ['second', 4, 400_000, 'exact'])
  assert.match(await sdk.audio.transcriptions.create({ model: 'whisper-1', file, response_format: 'srt' }), /olá/)
  assert.deepEqual(await last().then((r) => [r.piece, r.pieces, r.cost_nano_usd, r.basis]), ['second', 4, 400_000, 'estimated'])
  let text = ''
  for await (const e of await sdk.audio.transcriptions.create({ model: 'whisper-1', file, stream: true })) if (e.type === 'transcript.text.delta') text += e.delta
  assert.equal(text, 'olá')
  assert.deepEqual(await last().then((r) => [r.pieces, r.cost_nano_usd, r.stream]), [4, 400_000, true])
  assert.equal((await sdk.audio.translations.create({ model: 'whisper-1', file })).text, 'olá')
})

test('what does not fit is refused before it is sent', async () => {
  const before = seen.length
  const e = await sdk.images.generate({ model: 'pictures', prompt: 'a cat', n: 30 }).catch((e) => e)
  assert.equal(e.status, 429)
  assert.match(e.message, /of \$1\.00 .*month|\$1\.00/)
  const long = await toFile(Buffer.alloc(20 << 20, 7), 'long.mp3')
  assert.equal((await sdk.audio.transcriptions.create({ model: 'whisper-1', file: long }).catch((e) => e)).status, 429)
  assert.equal(seen.length, before)
})
