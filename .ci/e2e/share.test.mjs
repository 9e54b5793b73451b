// The page of a link, in a browser: what a client has used, under the strict policy that the
// page at "/" has, from one secret that stands in no address that is sent.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { Gate } from './gate.mjs'
import { launch, open } from './browser.mjs'

let g, browser, origin, link

before(async () => {
  g = await Gate.make()
  await g.createClient('Hotel <i>Aurora</i>', '--slug', 'aurora', '--limit', 'requests=2/month', '--limit', 'cost=40/month', '--markup', '20')
  const { key } = await g.createKey('aurora', 'bot', '--limit', 'requests=500/day')
  const ago = (days) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
  await g.cli(['clients', 'statement', 'aurora', '--since', ago(4), '--until', ago(2), '--close'])
  await g.serve()
  origin = `http://localhost:${g.port}`
  link = await share()
  const ai = g.sdk(key)
  const hello = () => ai.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }], model: 'sim-small' })
  await hello()
  await hello()
  await assert.rejects(hello(), { code: 'requests_limit' })
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await g?.close()
})

async function share(...options) {
  const made = await g.json(['share', 'create', 'aurora', ...options], { secret: true })
  g.secrets.push(['secret of a link', made.url.split('#')[1]])
  return { ...made, url: made.url.replace('127.0.0.1', 'localhost') }
}

test('a client sees what it has used, and nothing of its owner', async () => {
  const page = await open(browser, link.url, { viewport: { width: 360, height: 800 } })
  await page.getByRole('heading', { name: 'Hotel <i>Aurora</i>' }).waitFor()
  const text = await page.locator('body').innerText()
  for (const part of [/Requests\s+2\s/, /sim-small\s+2\s/, /2 of 2/, /0% of the budget/, /Key bot: requests a day/, /the limit on requests was used up\s+1×/, /works until/]) assert.match(text, part)
  assert.doesNotMatch(text, /\bprovider\b|\$40|\bcost\b/i, 'it tells what is its owner’s business')
  assert.deepEqual(page.faults, [])
  assert.deepEqual(page.asked.filter((url) => !url.startsWith(`${origin}/`)), [])
  assert.ok(!page.asked.slice(1).some((url) => url.includes('tgs_')), 'the secret is in an address that was asked')
  const { wide, kept } = await page.evaluate(async () => ({
    wide: document.documentElement.scrollWidth, kept: JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]),
  }))
  assert.ok(wide <= 360, `it is ${wide} wide`)
  assert.equal(kept, JSON.stringify(['', {}, {}]))
  assert.equal(await page.getByRole('progressbar').count(), 3)
  await page.close()
})

test('a statement is opened without a mouse', async () => {
  const page = await open(browser, link.url)
  const button = page.getByRole('button', { name: /^Show statement \d{4}-0001$/ })
  await button.waitFor()
  await page.keyboard.press('Tab')
  assert.ok(await button.evaluate((b) => b === document.activeElement), 'the button is not what Tab leads to')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /^Statement \d{4}-0001$/ }).waitFor()
  assert.match(await page.locator('#statement pre').innerText(), /Hotel <i>Aurora<\/i>[^]*total +USD/)
  assert.equal(await page.evaluate(() => document.activeElement.id), 'statement')
  assert.deepEqual(page.faults, [])
  await page.close()
})

test('it is readable in the dark', async () => {
  const page = await open(browser, link.url, { colorScheme: 'dark' })
  await page.getByRole('heading', { name: 'What is left' }).waitFor()
  const [ground, ink] = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color])
  const light = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)
  assert.ok(light(ground) < 150 && light(ink) > 600, `${ink} on ${ground}`)
  await page.close()
})

test('a link that was revoked, one that never was and a key are told the same', async () => {
  const gone = await share('--expires', '1d')
  await g.cli(['share', 'revoke', gone.id])
  for (const url of [gone.url, `${origin}/share#tgs_${'x'.repeat(43)}`, `${origin}/share#${g.init.key}`, `${origin}/share`]) {
    const page = await open(browser, url)
    const told = page.getByRole('alert')
    await told.waitFor()
    assert.equal(await told.innerText(), 'This link does not work, or no longer does. Ask whoever sent it to you for a new one.')
    assert.ok(!(await page.locator('main').isVisible()))
    await page.close()
  }
})
