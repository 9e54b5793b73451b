// Access tokens made in JavaScript: the vectors that every way of minting keeps.
import { test, afterEach } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs/promises'
import { generateGatewayToken, WebLLMError } from '../../assets/sdk/webllm.js'

const vectors = JSON.parse(await fs.readFile(new URL('../../assets/sdk/testdata/tokens.json', import.meta.url)))
const { secretKey } = vectors
const { now } = Date

afterEach(() => {
  Date.now = now
  delete globalThis.crypto.getRandomValues
  delete globalThis.window
})

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[2], 'base64url'))

for (const v of vectors.tokens) {
  test(`mints ${v.name}`, async () => {
    Date.now = () => v.iat * 1000 + 999
    globalThis.crypto.getRandomValues = (bytes) => {
      bytes.set(Buffer.from(v.tid.slice('tok_'.length), 'base64url'))
      return bytes
    }
    assert.equal(Buffer.from(v.token.split('.')[2], 'base64url').toString(), v.claims)
    assert.equal(await generateGatewayToken({ secretKey, ...v.options }), v.token)
  })
}

for (const r of vectors.refused) {
  test(`refuses ${r.name}`, async () => {
    await assert.rejects(generateGatewayToken({ secretKey, ...r.options }), (err) => {
      assert.ok(err instanceof WebLLMError, err)
      assert.equal(err.code, 'invalid_options')
      assert.ok(err.message.includes(r.says), `${err.message} does not say ${r.says}`)
      assert.ok(err.message.endsWith('.') && !err.message.includes(r.options.secretKey || secretKey), err.message)
      return true
    })
  })
}

test('a token is signed with the whole private key, and no two have one id', async () => {
  const [a, b] = await Promise.all([generateGatewayToken({ secretKey }), generateGatewayToken({ secretKey })])
  const [, signed, signature] = /^wlm-abc123xyz\.([\w-]+\.[\w-]+)\.([\w-]+)$/.exec(a)
  assert.equal(signature, crypto.createHmac('sha256', secretKey).update(signed).digest('base64url'))
  assert.match(claimsOf(a).tid, /^tok_[\w-]{22}$/)
  assert.notEqual(claimsOf(a).tid, claimsOf(b).tid)
  assert.ok(Math.abs(claimsOf(a).iat - Date.now() / 1000) < 60)
})

test('the countries are the ones of the list, and no others', async () => {
  const known = vectors.countries.split(' ')
  assert.deepEqual(claimsOf(await generateGatewayToken({ secretKey, allowedCountries: known })).allowedCountries, known)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
  for (const code of [...letters].flatMap((a) => [...letters].map((b) => a + b))) {
    if (known.includes(code)) continue
    await assert.rejects(generateGatewayToken({ secretKey, blockedCountries: [code] }), { code: 'invalid_options' }, code)
  }
})

test('a page cannot make tokens', async () => {
  globalThis.window = { document: {} }
  await assert.rejects(generateGatewayToken({ secretKey }), { code: 'not_in_a_page' })
})
