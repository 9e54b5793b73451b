import { WebLLMClient } from './sdk/webllm.js'

const $ = (id) => document.getElementById(id)
// The gateway is wherever this page is, behind a path, too.
const base = new URL('.', location.href).href.replace(/\/$/, '')

for (const pre of document.querySelectorAll('[data-code] code')) pre.textContent = pre.textContent.replaceAll('{base}', base)

let running

function show(text, bad = false) {
  $('answer').hidden = false
  $('answer').classList.toggle('bad', bad)
  $('answer').textContent = text
}

function facts(of) {
  const rows = Object.entries(of).filter(([, value]) => value !== undefined && value !== null && value !== '')
  $('facts').replaceChildren(...rows.flatMap(([name, value]) => {
    const dt = document.createElement('dt'), dd = document.createElement('dd')
    dt.textContent = name
    dd.textContent = value
    return [dt, dd]
  }))
  $('facts').hidden = !rows.length
}

// What is left of the tightest limits, as the gateway tells this very token.
async function left(token) {
  const answer = await fetch(`${base}/v1/usage`, { headers: token ? { authorization: `Bearer ${token}` } : {} })
  if (!answer.ok) return {}
  const { limits = [] } = await answer.json()
  return Object.fromEntries(limits.map((l) => [`${l.of}, ${l.metric} a ${l.window}`, `${l.text} used`]))
}

$('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  const token = $('token').value.trim()
  running = new AbortController()
  $('send').disabled = true
  $('stop').disabled = false
  $('state').textContent = 'asking…'
  facts({})
  show('')
  const started = performance.now()
  try {
    const client = new WebLLMClient({ gatewayToken: token || undefined, gatewayUrl: base, prefer: 'gateway' })
    let text = ''
    const stream = client.streamText({ prompt: $('prompt').value, signal: running.signal })
    for await (const piece of stream) show(text += piece)
    const result = await stream.result()
    facts({
      time: `${((performance.now() - started) / 1000).toFixed(1)} s`,
      model: result?.model,
      tokens: result?.usage?.totalTokens,
      cost: result?.usage?.cost === undefined ? undefined : `$${result.usage.cost}`,
      ...await left(token),
    })
    $('state').textContent = 'done'
  } catch (error) {
    $('state').textContent = running.signal.aborted ? 'stopped' : 'refused'
    if (!running.signal.aborted) {
      show(error.message, true)
      facts({ code: error.code, status: error.status, request: error.requestId })
    }
  } finally {
    $('send').disabled = false
    $('stop').disabled = true
  }
})
$('stop').addEventListener('click', () => running?.abort())
