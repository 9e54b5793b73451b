// A scripted gateway, pretend extensions and a pretend page, for the tests of the
// JavaScript client.
import assert from 'node:assert/strict'
import http from 'node:http'
import { WebLLMClient } from '../../assets/sdk/webllm.js'

export const gatewayToken = 'wlm-abc123xyz.eyJhbGc.x.y'
const { fetch } = globalThis

// gate answers as its test says, and remembers what it was asked.
export const gate = {
  seen: [],
  answer: undefined,
  async open() {
    gate.server = http.createServer(async (req, res) => {
      let body = ''
      for await (const b of req) body += b
      const got = { method: req.method, url: req.url, headers: req.headers, body: JSON.parse(body), closed: new Promise((ok) => res.on('close', () => ok(!res.writableFinished))) }
      gate.seen.push(got)
      await gate.answer(res, got)
    })
    await new Promise((ok) => gate.server.listen(0, '127.0.0.1', ok))
    gate.url = `http://127.0.0.1:${gate.server.address().port}`
  },
  close: () => gate.server.close(),
}

// tidy takes away what a test has pretended.
export function tidy() {
  globalThis.fetch = fetch
  delete globalThis.window
  delete globalThis.navigator
}

// client makes a client of a gateway that answers in a given way.
export function client(how, options) {
  gate.seen = []
  gate.answer = how
  return new WebLLMClient({ gatewayToken, gatewayUrl: gate.url, ...options })
}

export const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: 0.000012 }
export const says = (text, { status = 200, headers = {}, body } = {}) => (res) => {
  res.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_1', 'x-tallygate-provider': 'sim', ...headers })
  res.end(typeof body === 'string' ? body : JSON.stringify(body ?? { model: 'sim-small', choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], usage }))
}
export const event = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
export const delta = (content, finish_reason = null) => event({ model: 'sim-small', choices: [{ index: 0, delta: { content }, finish_reason }] })
export const tail = delta('', 'stop') + event({ choices: [], usage }) + event('[DONE]')
export const streams = (...parts) => async (res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_1', 'x-tallygate-provider': 'sim' })
  for (const p of parts) res.write(p)
  res.end()
}
export const nobody = () => assert.fail('the gateway was asked')

// page pretends to be a browser with extensions.
export function page({ llm, webllm } = {}) {
  globalThis.window = Object.assign(new EventTarget(), { document: {}, ...(webllm && { __webllm: webllm }) })
  Object.defineProperty(globalThis, 'navigator', { value: { ...(llm && { llm }) }, configurable: true })
}
export const extension = (text) => ({ generateText: async (options) => { extension.got = options; return { text, model: 'mine', usage: { promptTokens: 1, completionTokens: 1, totalTokens: 2 } } } })

export async function collect(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return pieces
}
