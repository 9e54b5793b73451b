// The page at "/", in a browser: it loads under its own policy, talks to nobody
// but the gateway it came from, and tries a token.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { Gate } from './gate.mjs'
import { launch, open } from './browser.mjs'

let g, browser, origin, proxy, behind

before(async () => {
  g = await Gate.make()
  // Its own name for itself is one that this machine cannot reach.
  const { private_key } = await g.json(['gateways', 'create', '--name', 'My site', '--public-url', 'https://ai.mysite.example'], { secret: true })
  g.secrets.push(['private key', private_key])
  await g.serve()
  origin = `http://localhost:${g.port}`
  // A reverse proxy that has the gateway below a path.
  proxy = createServer((req, res) => {
    const path = req.url.match(/^\/ai(\/.*)$/)?.[1]
    if (!path) return res.writeHead(404).end()
    req.pipe(request({ port: g.port, host: '127.0.0.1', path, method: req.method, headers: req.headers }, (got) => {
      res.writeHead(got.statusCode, got.headers)
      got.pipe(res)
    }))
  })
  await new Promise((ok) => proxy.listen(0, '127.0.0.1', ok))
  behind = `http://localhost:${proxy.address().port}/ai`
  browser = await launch()
})
after(async () => {
  await browser?.close()
  proxy?.closeAllConnections()
  proxy?.close()
  await g?.close()
})

const mint = async (...limits) => (await g.json(['tokens', 'mint', '--gateway', 'my-site', ...limits])).token

async function send(page, token, prompt) {
  await page.getByRole('textbox', { name: 'Access token' }).fill(token)
  await page.getByRole('textbox', { name: 'Prompt' }).fill(prompt)
  await page.getByRole('textbox', { name: 'Prompt' }).press('Control+Enter')
  await page.getByRole('button', { name: 'Send' }).waitFor()
  return page.locator('#result').innerText()
}

for (const [name, base] of [['at the root', () => origin], ['below a path', () => behind]]) {
  test(`a token is tried ${name}`, async () => {
    const token = await mint('--domain', 'localhost', '--requests', '10/month', '--ip-quota', '20/day', '--cost', '5')
    const page = await open(browser, `${base()}/`)
    assert.ok((await page.locator('main').innerText()).includes(`npm install ${base()}/sdk/webllm.tgz`), 'the examples have another address')
    const result = await send(page, token, 'Hello, page!')
    assert.ok(result.includes('You said: "Hello, page!"'), result)
    for (const part of [/Tokens\n+\d+ in, \d+ out/, /Model\n+sim-/, /\d requests\n+\d of 10 a month, used by this token; resets /, /1\d requests\n+\d of 20 a day, used by your address/, /Budget\n+0% of the budget in all, used by this token/]) assert.match(result, part)
    assert.doesNotMatch(result, /Cost|\$/, 'a visitor sees what the owner pays')
    assert.deepEqual(page.faults, [])
    assert.deepEqual(page.asked.filter((url) => !url.startsWith(`${base()}/`)), [])
    const kept = await page.evaluate(async () => JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, history.state, (await indexedDB.databases()).length]))
    assert.equal(kept, JSON.stringify([`${base()}/`, '', {}, {}, null, 0]))
    assert.ok(!page.asked.some((url) => url.includes('wlm-')), 'the token is in an address')
    await page.reload()
    assert.equal(await page.getByRole('textbox', { name: 'Access token' }).inputValue(), '')
    await page.close()
  })
}

test('a refusal is told in words, and no extension answers in its place', async () => {
  const prepare = () => {
    navigator.llm = window.__webllm = { generateText: async () => ({ text: 'I am the extension.' }) }
  }
  const page = await open(browser, origin, { prepare })
  const once = await mint('--requests', '1/day')
  assert.match(await send(page, once, 'One'), /You said: "One"/)
  for (const [token, words] of [
    [once, /has used 1 of 1 requests today; it resets on .*\n[^]*429\n+Code\n+requests_limit/],
    [await mint('--domain', 'mysite.com'), /403\n+Code\n+origin_not_allowed/],
    ['wlm-nonsense', /access token[^]*401\n+Code\n+invalid_api_key/],
    ['sk-webllm-gateway-abc123xyz-0123', /gives the private key away/],
  ]) {
    const result = await send(page, token, 'Two')
    assert.match(result, words)
    assert.doesNotMatch(result, /extension|You said/)
  }
  assert.deepEqual(page.faults.filter((text) => !/status of 4\d\d/.test(text)), [])
  await page.close()
})

test('an answer is stopped', async () => {
  const page = await open(browser, origin)
  await page.route('**/v1/chat/completions', () => {}) // never answered
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByRole('alert').filter({ hasText: 'You stopped it.' }).waitFor()
  await page.getByRole('button', { name: 'Send' }).waitFor()
  await page.close()
})

test('a small screen scrolls in one direction only', async () => {
  const page = await open(browser, origin, { viewport: { width: 320, height: 600 } })
  await send(page, await mint(), `${'long'.repeat(100)}`)
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320)
  await page.close()
})
