// A gate for the clients of others, each at its defaults: every model is priced, on the
// pretend upstream or on a scripted one that calls tools and fails, and both speak chat
// completions only. What a client got must be on the gate's own records.
import assert from 'node:assert/strict'
import { Gate } from './gate.mjs'
import { Upstream } from './upstream.mjs'

const prices = ['--price', 'input=3', '--price', 'cached_input=0.3', '--price', 'output=15']
const priced = ({ tokens: t }) => (t.input ?? 0) * 3000 + (t.cached_input ?? 0) * 300 + ((t.output ?? 0) + (t.reasoning ?? 0)) * 15000

export class Stage {
  // open makes a gate with models of these names on the scripted upstream, beside
  // "pretend" on the pretend one.
  static async open(...models) {
    const s = new Stage()
    s.up = await Upstream.start()
    s.g = await Gate.make({ extra: { UPSTREAM_KEY: 'sk-up-canary-8Jx4wQ2mT6rB1nVc' } })
    await s.g.serve()
    await s.g.json(['gateways', 'update', s.g.init.gateway, '--limit', 'cost=1000/day'])
    await s.g.json(['clients', 'update', s.g.init.client, '--limit', 'requests=none/minute', '--limit', 'cost=1000/month'])
    await s.g.json(['providers', 'create', '--name', 'up', '--kind', 'custom', '--base-url', s.up.base, '--api-key-env', 'UPSTREAM_KEY', '--no-import'])
    for (const m of [...models, 'cut', 'broken']) await s.g.json(['models', 'create', '--provider', 'up', '--name', m, ...prices])
    await s.g.json(['models', 'create', '--provider', 'sim', '--name', 'pretend', '--upstream', 'sim-small', ...prices])
    s.key = s.g.init.key
    s.origin = `http://127.0.0.1:${s.g.port}`
    return s
  }

  // booked asserts that what f does is on record: so many requests of an endpoint that
  // were answered, each at the price of its tokens, and none refused but with the code
  // that may be. It resolves to what f does.
  async booked(endpoint, n, f, mayBe) {
    const before = await this.#latest()
    const got = await f()
    await this.g.settled()
    const seen = (await this.g.json(['requests', 'list', '--limit', '100'])).filter((r) => r.seq > before && !(mayBe && r.code === mayBe))
    assert.deepEqual(seen.map((r) => [r.endpoint, r.outcome, r.basis]), Array(n).fill([endpoint, 'ok', 'exact']))
    for (const r of seen) assert.ok(r.cost_nano_usd > 0 && r.cost_nano_usd === priced(r), `${r.cost_nano_usd} for ${JSON.stringify(r.tokens)}`)
    return got
  }

  async #latest() {
    return (await this.g.json(['requests', 'list', '--limit', '1']))[0]?.seq ?? 0
  }

  // spent makes a key whose budget is used up.
  async spent(ask) {
    const c = await this.g.createClient(`Hotel ${Math.random()}`, '--limit', 'requests=1/month')
    const { key } = await this.g.createKey(c.slug, 'bot')
    await ask(key)
    return key
  }

  // close proves that all that was billed of the scripted upstream is what it reported.
  async close() {
    await this.g.settled()
    const list = (await this.g.json(['requests', 'list', '--limit', '1000'])).filter((r) => r.provider === 'up' && r.basis === 'exact' && r.outcome === 'ok')
    const sum = (f) => list.reduce((n, r) => n + f(r), 0)
    assert.deepEqual({ calls: list.length, prompt: sum((r) => r.input_tokens), completion: sum((r) => r.output_tokens) }, this.up.reported)
    await this.g.close()
    await this.up.stop()
  }
}

// counting is a fetch that counts, and keeps the headers of the last answer.
export function counting() {
  const f = async (url, init) => {
    f.calls++
    const res = await fetch(url, init)
    f.headers = res.headers
    return res
  }
  f.calls = 0
  return f
}

// caught resolves to what a promise is rejected with.
export const caught = (promise) => promise.then(() => assert.fail('answered'), (e) => e)

export const usedUp = /has used 1 of 1 requests this month; it resets on \d{4}-\d\d-01/
export const badKey = 'llm_gw_' + 'x'.repeat(49)
