// The npm package of the JavaScript client: npm installs it, a program imports it
// by its name, and it knows its gateway without being told.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { Gate } from './gate.mjs'

const run = promisify(execFile)

test('npm install URL, then import', async (t) => {
  const g = await Gate.make()
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-sdk-'))
  t.after(async () => {
    await g.close()
    await fs.rm(dir, { recursive: true, force: true })
  })
  const site = await g.json(['gateways', 'create', '--name', 'Site'], { secret: true })
  g.secrets.push(['private key', site.private_key])
  await g.serve()
  const at = `http://127.0.0.1:${g.port}`
  await fs.writeFile(path.join(dir, 'package.json'), JSON.stringify({ name: 'site', private: true, type: 'module' }))
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${at}/sdk/webllm.tgz`], { cwd: dir })

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
      gatewayToken: process.env.TOKEN
    });

    // Visitors automatically use your gateway
    const result = await client.generateText({
      prompt: 'Hello!'
    });

    console.log(result.text)`)
  const env = { ...process.env, GATEWAY_SECRET_KEY: site.private_key }
  const { stdout } = await run(process.execPath, ['build.js'], { cwd: dir, env })
  const token = stdout.trim()
  assert.ok(token.startsWith(`wlm-${site.gateway_id}.eyJhbGc`), token)
  const report = await g.json(['tokens', 'inspect', token])
  assert.equal(report.works, true)
  assert.equal(report.signature, 'valid')
  assert.ok(report.says.includes('up to 10,000 requests a month'), report.says)
  // It is for pages, and a program has none.
  await assert.rejects(run(process.execPath, ['site.js'], { cwd: dir, env: { ...env, TOKEN: token } }), /is for pages only/)

  // One that was minted by the command line without a gateway, for any page.
  const minted = await g.json(['tokens', 'mint', '--secret-key-env', 'KEY', '--requests', '1/day', '--expires', '1h'], { env: { KEY: site.private_key } })
  assert.deepEqual(Object.keys(minted).slice(0, 3), ['token', 'tid', 'expires_at'])
  const asked = await run(process.execPath, ['site.js'], { cwd: dir, env: { ...env, TOKEN: minted.token } })
  assert.match(asked.stdout, /pretend model/)
  await assert.rejects(run(process.execPath, ['site.js'], { cwd: dir, env: { ...env, TOKEN: minted.token } }), /1 of 1 requests today/)
  const [listed] = await g.json(['tokens', 'list', '--gateway', 'site'])
  assert.equal(listed.tid, minted.tid)
  assert.equal(listed.limits[0].left, 0)
  await g.cli(['tokens', 'revoke', minted.tid, '--gateway', 'site'])
  await assert.rejects(run(process.execPath, ['site.js'], { cwd: dir, env: { ...env, TOKEN: minted.token } }), /was revoked on/)
})

test('what npm has written down of it holds when it is installed again', async (t) => {
  const g = await Gate.make()
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-sdk-'))
  t.after(async () => {
    await fs.rm(dir, { recursive: true, force: true })
    await g.close()
  })
  await g.serve()
  const url = `http://127.0.0.1:${g.port}/sdk/webllm.tgz`
  // Nothing is asked of any registry, and nothing of an earlier run is left.
  const npm = (...args) => run('npm', [...args, '--registry=http://127.0.0.1:1', `--cache=${dir}/cache`, '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier'], { cwd: dir })
  await npm('install', url)
  await fs.writeFile(path.join(dir, 'site.mjs'), `
    import { WebLLMClient } from 'webllm'
    const ai = new WebLLMClient({ gatewayToken: process.env.TOKEN })
    console.log((await ai.generateText({ prompt: 'Hello, npm!' })).text)`)
  const answer = async () => (await run(process.execPath, ['site.mjs'], { cwd: dir, env: { ...process.env, TOKEN: g.init.key } })).stdout
  assert.match(await answer(), /You said: "Hello, npm!"/)

  // The lock file's checksum holds when it is installed again.
  await fs.rm(path.join(dir, 'node_modules'), { recursive: true })
  await fs.rm(path.join(dir, 'cache'), { recursive: true })
  await npm('ci')
  assert.match(await answer(), /You said: "Hello, npm!"/)
  assert.equal((await fetch(url)).headers.get('content-type'), 'application/gzip')
})
