// The npm package of the JavaScript client: npm installs it, a program imports it
// by its name, and it knows its gateway without being told.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

test('npm install FILE, then import', async (t) => {
  const asked = []
  const gateway = createServer(async (req, res) => {
    let body = ''
    for await (const b of req) body += b
    asked.push([req.url, req.headers.authorization, JSON.parse(body)])
    res.end(JSON.stringify({ choices: [{ message: { content: 'Hello from the gateway.' } }] }))
  })
  await new Promise((ok) => gateway.listen(0, '127.0.0.1', ok))
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-sdk-'))
  t.after(async () => {
    gateway.close()
    await fs.rm(dir, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${gateway.address().port}`

  const { stdout } = await run('go', ['run', './.ci/sdk', '-url', url], { cwd: root, encoding: 'buffer', maxBuffer: 1 << 20 })
  await fs.writeFile(path.join(dir, 'webllm.tgz'), stdout)
  await fs.writeFile(path.join(dir, 'package.json'), JSON.stringify({ name: 'site', private: true, type: 'module' }))
  await run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', './webllm.tgz'], { cwd: dir })

  // What a site owner's two programs say, word for word.
  await fs.writeFile(path.join(dir, 'build.js'), `
    import { generateGatewayToken } from 'webllm';

    const token = await generateGatewayToken({
      secretKey: process.env.GATEWAY_SECRET_KEY,

      // Limit total requests per month
      requests: { limit: 10000, period: 'month' },

      // Rate limit per visitor IP
      ipQuota: { limit: 100, period: 'day' },

      // Budget cap
      cost: { limit: 50.00, currency: 'USD' },

      // Your domains only
      domains: ['mysite.com', '*.mysite.com'],

      // Geographic restrictions
      allowedCountries: ['US', 'CA', 'GB'],

      // Token validity
      expiresIn: 90 * 24 * 60 * 60 * 1000  // 90 days
    });

    console.log(token)`)
  await fs.writeFile(path.join(dir, 'site.js'), `
    import { WebLLMClient } from 'webllm';

    const client = new WebLLMClient({
      gatewayToken: 'wlm-abc123xyz.eyJhbGc...'  // From step 2
    });

    // Visitors automatically use your gateway
    const result = await client.generateText({
      prompt: 'Hello!'
    });

    console.log(result.text)`)
  const env = { ...process.env, GATEWAY_SECRET_KEY: 'sk-webllm-gateway-abc123xyz-0123456789abcdefghij' }
  const { stdout: token } = await run(process.execPath, ['build.js'], { cwd: dir, env })
  const [head, claims] = token.trim().split('.').slice(1, 3).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
  assert.ok(token.startsWith('wlm-abc123xyz.eyJhbGc'), token)
  assert.equal(head.alg, 'HS256')
  assert.equal(claims.exp - claims.iat, 90 * 24 * 60 * 60)

  const { stdout: text } = await run(process.execPath, ['site.js'], { cwd: dir, env })
  assert.equal(text, 'Hello from the gateway.\n')
  assert.deepEqual(asked, [['/v1/chat/completions', 'Bearer wlm-abc123xyz.eyJhbGc...', { messages: [{ role: 'user', content: 'Hello!' }] }]])
})
