// The chat of one line, in a page with a strict policy: it answers with a locked token,
// says something kind whatever happens, and can be used without a mouse and without eyes.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'
import { Gate, freePort, sleep, until } from './gate.mjs'
import { blockOf } from './guide.mjs'
import { launch, open, proxy } from './browser.mjs'

const prompt = 'You are the concierge of a hotel. The wholesale price is 40 % lower: never say so.'
const closing = []
let g, browser, gateway, american, shop, line, backend, minted

before(async () => {
  g = await Gate.make()
  const made = await g.json(['gateways', 'create', '--name', 'Hotel'], { secret: true })
  g.secrets.push(['private key', made.private_key])
  await g.cli(['settings', 'set', '--trusted-proxy', '127.0.0.1'])
  await g.cli(['templates', 'set', 'concierge', '--gateway', 'hotel', '--system-file', '-', '--max-output', '200'], { input: `${prompt}\n` })
  await g.serve()
  gateway = `http://localhost:${g.port}`
  const away = await proxy(g.port, '8.8.8.8')
  closing.push(away)
  american = `http://localhost:${away.port}`
  // The site: its page has one line, and its server makes tokens of a long one.
  const server = http.createServer(async (req, res) => {
    if (req.url === '/chat-token') {
      minted.push(req.method)
      const made = await fetch(backend)
      res.writeHead(made.status, { 'content-type': 'application/json' })
      return res.end(await made.text())
    }
    const policy = `default-src 'none'; script-src ${gateway} ${american}; connect-src 'self' ${gateway} ${american}; img-src data:; require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'`
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy })
    res.end(`<!doctype html><html lang="en"><title>A hotel</title><link rel="icon" href="data:,"><p>Welcome</p>${line}`)
  })
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok))
  closing.push({ close: () => { server.closeAllConnections(); server.close() } })
  shop = `http://localhost:${server.address().port}`
  browser = await launch()
})
after(async () => {
  await browser?.close()
  for (const server of closing) server.close()
  await g?.close()
})

const mint = async (...options) => (await g.json(['tokens', 'mint', '--gateway', 'hotel', '--domain', 'localhost', '--template', 'concierge', ...options])).token
const tag = (attributes, at = gateway) => `<script async src="${at}/sdk/widget.js" data-title="Ask the concierge" ${attributes}></script>`

// serves runs the server of the guide with a token that makes others.
async function serves(token) {
  const port = await freePort()
  const file = path.join(g.dir, 'server.mjs')
  await fs.writeFile(file, await blockOf('websites', 'js', { origin: gateway }))
  const server = spawn(process.execPath, [file], { env: { ...process.env, SITE_TOKEN: token, PORT: port } })
  closing.push({ close: () => server.kill() })
  backend = `http://localhost:${port}`
  await until('the server of the guide answers', () => fetch(backend, { method: 'HEAD' }).then(() => true, () => false))
}

async function visit(attributes, { at, quoted = '', ...options } = {}) {
  line = quoted + tag(attributes, at)
  const page = await open(browser, shop, options)
  page.opener = page.getByRole('button', { name: 'Ask the concierge' })
  await page.opener.waitFor()
  page.box = page.getByRole('textbox', { name: 'Write your question' })
  page.told = page.getByRole('status')
  page.turns = page.locator('tallygate-chat li')
  return page
}

async function ask(page, text) {
  if (!(await page.box.isVisible())) await page.opener.click()
  await page.box.fill(text)
  await page.box.press('Enter')
  await page.getByRole('button', { name: 'Send' }).waitFor()
  return page.turns.last().innerText()
}

test('a visitor is answered, under a strict policy', async () => {
  const page = await visit(`data-token="${await mint()}" data-greeting="Welcome! How can I help?"`, {
    // It knows nothing of the template, so it is not asked.
    prepare: () => { navigator.llm = { generateText: async () => ({ text: 'From the extension.' }) } },
  })
  assert.equal(await page.turns.count(), 1)
  const answer = await ask(page, 'Do you have <b>rooms</b>?')
  assert.match(answer, /pretend model/)
  assert.ok(answer.includes('<b>rooms</b>'), 'what was said is not shown as text')
  assert.equal(await page.locator('tallygate-chat b').count(), 0, 'an answer became HTML')
  assert.equal(await page.told.textContent(), answer, 'the answer is not told to who cannot see it')
  assert.match(await ask(page, 'And a pool?'), /pretend model/)
  assert.equal(await page.turns.count(), 5)
  assert.deepEqual(page.faults, [])
  assert.deepEqual(page.asked.filter((url) => !url.startsWith(gateway) && !url.startsWith(shop)), [])
  assert.ok(!(await page.content()).includes('wholesale'))
  await page.close()
})

test('what a page quotes of others is not taken for its line', async () => {
  const evil = 'http://localhost:9'
  const page = await visit(`data-token="${await mint()}"`, {
    quoted: `<img name="currentScript" src="${evil}/sdk/widget.js" data-title="Ours" data-gateway="${evil}" data-token-url="${evil}/token">
      <form name="querySelectorAll"></form>`,
  })
  assert.match(await ask(page, 'Do you have rooms?'), /pretend model/)
  assert.deepEqual(page.asked.filter((url) => url.startsWith(evil) && !url.endsWith('/sdk/widget.js')), [])
  await page.close()
})

test('it is used without a mouse', async () => {
  const page = await visit(`data-token="${await mint()}"`)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Ask the concierge' }).waitFor()
  const focused = () => page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.localName)
  assert.equal(await focused(), 'textarea')
  const seen = []
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press('Tab')
    seen.push(await focused())
  }
  assert.deepEqual(seen, ['button', 'button', 'ol', 'textarea'], 'the focus leaves the chat')
  await page.keyboard.press('Shift+Tab')
  assert.equal(await focused(), 'ol')
  await page.keyboard.press('Escape')
  assert.equal(await page.getByRole('dialog').count(), 0)
  assert.equal(await page.opener.getAttribute('aria-expanded'), 'false')
  assert.equal(await focused(), 'button')
  await page.close()
})

test('it follows the theme, the size and the wish for less motion', async () => {
  const token = await mint()
  const colours = []
  for (const colorScheme of ['light', 'dark']) {
    const page = await visit(`data-token="${token}"`, { colorScheme, reducedMotion: 'reduce', viewport: { width: 320, height: 480 } })
    await page.opener.click()
    const panel = page.getByRole('dialog')
    colours.push(await panel.evaluate((e) => getComputedStyle(e).backgroundColor))
    assert.equal(await panel.evaluate((e) => getComputedStyle(e).animationName), 'none')
    const box = await panel.boundingBox()
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= 320 && box.y + box.height <= 480, JSON.stringify(box))
    await page.close()
  }
  assert.notEqual(colours[0], colours[1])
})

// Each refusal has a sentence of its own, which the owner can word.
test('a refusal is kind', async () => {
  const used = await mint('--requests', '1/day')
  const revoked = await mint()
  await g.cli(['tokens', 'revoke', revoked])
  const expired = await mint('--expires', '1s')
  const quota = await mint('--ip-quota', '1/day')
  const abroad = await mint('--allow-country', 'PT')
  const elsewhere = (await g.json(['tokens', 'mint', '--gateway', 'hotel', '--domain', 'mysite.com'])).token
  await sleep(1100)
  for (const [name, attributes, says, before] of [
    ['used up, in the owner\'s words', `data-token="${used}" data-used-up="Our concierge is asleep."`, /^Our concierge is asleep\.$/, /pretend model/],
    ['used up', `data-token="${used}"`, /answered as much as it can for now\. Please come back (tomorrow|in an hour)|try again in a moment/],
    ['a visitor\'s quota', `data-token="${quota}"`, /as much as you can here/, /pretend model/],
    ['revoked', `data-token="${revoked}"`, /switched off at the moment/],
    ['expired', `data-token="${expired}"`, /Please reload it/],
    ['forged', `data-token="${used.slice(0, -4)}AAAA"`, /switched off at the moment/],
    ['another page', `data-token="${elsewhere}"`, /does not work on this page/],
    ['a template that is not of the token', `data-token="${await mint()}" data-template="other"`, /could not be answered/],
    ['no token at all', '', /switched off at the moment/],
    ['offline', `data-token="${used}" data-gateway="http://localhost:1" data-offline="We are out."`, /^We are out\.$/],
  ]) {
    const page = await visit(attributes)
    if (before) assert.match(await ask(page, 'One'), before, name)
    assert.match(await ask(page, 'Two'), says, name)
    assert.match(await page.told.textContent(), says, name)
    assert.equal(await page.box.inputValue(), 'Two', `${name}: what was asked is lost`)
    await page.close()
  }
  const page = await visit(`data-token="${abroad}"`, { at: american })
  assert.match(await ask(page, 'Hello'), /not available in your country/)
  await page.close()
})

test('a site hands out short-lived tokens', async () => {
  const parent = await mint('--mints', '--ip-quota', '20/day')
  await serves(parent)
  minted = []
  const page = await visit('data-token-url="/chat-token"')
  assert.match(await ask(page, 'One'), /pretend model/)
  assert.match(await ask(page, 'Two'), /pretend model/)
  assert.deepEqual(minted, ['POST'], 'one token is enough for two questions')
  assert.deepEqual(page.faults, [])
  await page.close()
  const stolen = await visit(`data-token="${parent}"`)
  assert.match(await ask(stolen, 'One'), /switched off at the moment/)
  await stolen.close()
  await g.cli(['tokens', 'revoke', parent])
  const closed = await visit('data-token-url="/chat-token"')
  assert.match(await ask(closed, 'One'), /went wrong|switched off/)
  await closed.close()
})

test('an answer is stopped', async () => {
  const page = await visit(`data-token="${await mint()}"`)
  await page.route('**/v1/chat/completions', () => {}) // never answered
  await page.opener.click()
  await page.box.fill('Hello')
  await page.box.press('Enter')
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByRole('button', { name: 'Send' }).waitFor()
  assert.equal(await page.turns.last().innerText(), 'Stopped.')
  await page.close()
})

test('a long conversation is kept within what may be sent', async () => {
  const page = await visit(`data-token="${await mint('--ip-quota', '100/day')}"`)
  for (let i = 0; i < 14; i++) assert.match(await ask(page, `${i} ${'x'.repeat(3900)}`), /pretend model/, `question ${i}`)
  await page.close()
})
