// Visitors in a real browser: a page on one origin uses the JavaScript client
// against the gateway on another.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { Gate, sleep } from './gate.mjs'
import { launch, proxy, site } from './browser.mjs'

const closing = []
let g, browser, origin, other, direct, visitorA, visitorB, american

before(async () => {
  g = await Gate.make()
  const made = await g.json(['gateways', 'create', '--name', 'Site'], { secret: true })
  g.secrets.push(['private key', made.private_key])
  await g.cli(['settings', 'set', '--trusted-proxy', '127.0.0.1'])
  await g.serve()
  const open = async (what) => { closing.push(what); return what }
  const pages = await open(await site())
  origin = `http://localhost:${pages.port}`
  other = `http://127.0.0.1:${pages.port}`
  direct = `http://127.0.0.1:${g.port}`
  const via = async (address) => `http://127.0.0.1:${(await open(await proxy(g.port, address))).port}`
  visitorA = await via('203.0.113.7')
  visitorB = await via('203.0.113.8')
  american = await via('8.8.8.8')
  browser = await launch()
})
after(async () => {
  await browser?.close()
  for (const server of closing) server.close()
  await g?.close()
})

const mint = async (...options) => (await g.json(['tokens', 'mint', '--gateway', 'site', '--domain', 'localhost', ...options])).token

// visit runs a function in a page of an origin, with the client of the gateway at
// a URL. What it returns or throws comes back as {value} or {error}.
async function visit(gateway, token, use, { at = origin, prepare } = {}) {
  const page = await browser.newPage()
  try {
    if (prepare) await page.addInitScript(prepare)
    await page.goto(at)
    return await page.evaluate(async ([gateway, gatewayToken, source]) => {
      const { WebLLMClient } = await import(`${gateway}/sdk/webllm.js`)
      try {
        return { value: await (0, eval)(source)(new WebLLMClient({ gatewayToken })) }
      } catch ({ name, code, status, message, requestId, retryAfter }) {
        return { error: { name, code, status, message, requestId, retryAfter } }
      }
    }, [gateway, token, `(${use})`])
  } finally {
    await page.close()
  }
}
const ask = (client) => client.generateText({ prompt: 'Hello!' })

async function refused(code, says, visited) {
  const { value, error } = await visited
  assert.equal(value, undefined, 'it was served')
  assert.equal(error.code, code, error.message)
  assert.match(error.message, says)
  assert.match(error.requestId, /^req_/, 'the page cannot read the name of its request')
  return error
}

test('text', async () => {
  const { value, error } = await visit(direct, await mint('--requests', '5/day'), ask)
  assert.equal(error, undefined)
  assert.match(value.text, /pretend model/)
  assert.equal(value.transport, 'gateway')
  assert.equal(value.provider, 'sim')
  assert.ok(value.usage.totalTokens > 0)
  const rec = await g.request(value.requestId)
  assert.equal(rec.origin, origin)
  assert.match(rec.token, /^tok_/)
})

test('a stream comes in pieces', async () => {
  const { value, error } = await visit(visitorA, await mint(), async (client) => {
    const pieces = []
    for await (const piece of client.streamText({ prompt: 'Hello!' })) pieces.push(piece)
    return pieces
  })
  assert.equal(error, undefined)
  assert.ok(value.length > 3, `${value.length} pieces`)
  assert.match(value.join(''), /pretend model/)
})

test('another domain is refused, in words', async () => {
  await refused('origin_not_allowed', /pages of 127\.0\.0\.1\. It is for localhost/, visit(direct, await mint(), ask, { at: other }))
})

test('each visitor has a quota', async () => {
  const token = await mint('--ip-quota', '2/day')
  for (let i = 0; i < 2; i++) assert.equal((await visit(visitorA, token, ask)).error, undefined)
  const error = await refused('ip_quota', /2 of 2 requests today; it resets on/, visit(visitorA, token, ask))
  assert.equal(error.status, 429)
  assert.equal((await visit(visitorB, token, ask)).error, undefined, 'another visitor')
  const { visitors } = await g.json(['tokens', 'visitors', '--gateway', 'site'])
  assert.ok(visitors.length >= 2 && visitors.every((v) => /^(203\.0\.113|127\.0\.0)\.0\/24$/.test(v.network)), JSON.stringify(visitors))
})

test('an expired token', async () => {
  const token = await mint('--expires', '1s')
  await sleep(1100)
  await refused('token_expired', /expired on/, visit(direct, token, ask))
})

test('a revoked token, at once', async () => {
  const token = await mint()
  assert.equal((await visit(direct, token, ask)).error, undefined)
  await g.cli(['tokens', 'revoke', token])
  await refused('token_revoked', /was revoked on/, visit(direct, token, ask))
})

test('a blocked country, by a trusted proxy', async () => {
  const token = await mint('--block-country', 'US')
  await refused('country_not_allowed', /does not serve visitors from US/, visit(american, token, ask))
  assert.equal((await visit(visitorA, token, ask)).error, undefined, 'a country that is not known')
  await refused('country_not_allowed', /an unknown country/, visit(visitorA, await mint('--allow-country', 'US'), ask))
  const { rows } = await g.json(['usage', '--by', 'country', '--since', '24h'])
  assert.ok(rows.some((r) => (r.name ?? r.country) === "US" && r.refused > 0), JSON.stringify(rows))
})

test('the cap on cost', async () => {
  const price = async (usd) => { for (const model of ['sim-small', 'sim-large']) await g.cli(['models', 'update', model, '--price', `input=${usd}`, '--price', `output=${usd}`]) }
  await price(1)
  await refused('cost_limit', /has used what it may in all\.$/, visit(direct, await mint('--cost', '0.000001'), ask))
  await price(0)
})

test('an extension is asked first', async () => {
  const { value } = await visit(direct, await mint(), ask, { prepare: () => { navigator.llm = { generateText: async () => ({ text: 'From the extension.' }) } } })
  assert.equal(value.text, 'From the extension.')
  assert.equal(value.transport, 'extension')
})

test('a broken extension falls back', async () => {
  const { value } = await visit(direct, await mint(), ask, { prepare: () => { navigator.llm = { generateText: async () => { throw new Error('broken') } } } })
  assert.match(value.text, /pretend model/)
  assert.equal(value.transport, 'gateway')
})

test('a public gateway needs no token', async () => {
  await g.cli(['gateways', 'update', 'site', '--access', 'public', '--limit', 'requests=1000/minute', '--limit', 'cost=5/day', '--visitor-limit', 'requests=1/day'])
  const { value, error } = await visit(visitorB, undefined, ask)
  assert.equal(error, undefined)
  assert.match(value.text, /pretend model/)
  await refused('ip_quota', /at gateway "Site", has used 1 of 1 requests today/, visit(visitorB, undefined, ask))
  await g.cli(['gateways', 'update', 'site', '--access', 'token', '--visitor-limit', 'requests=none/day'])
})
