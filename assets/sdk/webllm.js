// The client of a tallygate gateway. webllm.d.ts explains it.

// The gateway that serves this file puts its public URL here.
const PUBLIC_URL = ''

const EXTENSION_BY = Date.now() + 300 // ms

export class WebLLMError extends Error {
	constructor(code, message, more) {
		super(message)
		Object.assign(this, { name: 'WebLLMError', code, ...more })
		this.visitorMessage ??= 'Please try again later.'
	}
}

const fail = (code, message, more) => { throw new WebLLMError(code, message, more) }
const invalid = (message) => fail('invalid_options', message)
const inPage = () => globalThis.window?.document

const once = (call) => (o) => new WebLLMClient(o)[call](o)
export const generateText = once('generateText')
export const streamText = once('streamText')
export const generateObject = once('generateObject')

export class WebLLMClient {
	#token
	#url
	#prefer

	constructor({ gatewayToken, gatewayUrl, prefer = 'extension' } = {}) {
		if (inPage() && /^sk-/.test(gatewayToken)) invalid('A page gives the private key away.')
		const [origin] = import.meta.url?.match(/^https?:..[^/]+/) ?? ['']
		this.#url = `${gatewayUrl || PUBLIC_URL || origin}`.replace(/(\/v1)?\/*$/, '')
		this.#token = gatewayToken
		this.#prefer = prefer
	}

	generateText(options) {
		return this.#start(options, {}).result()
	}

	streamText(options) {
		return this.#start(options, { stream: true, stream_options: { include_usage: true } })
	}

	generateObject({ schema, name = 'answer', ...options }) {
		return this.#start(options, { response_format: { type: 'json_schema', json_schema: { name, schema } } }).result()
	}

	#start(options, more) {
		let last
		const parts = this.#run(options, more, (result) => (last = result))
		return Object.assign(parts, {
			textStream: parts,
			async result() {
				while (!(await parts.next()).done);
				return last
			},
		})
	}

	// Who begins to answer is it. Refused by the user or aborted, nobody else is
	// asked. Of two failures the gateway's is told: the page's owner can act on it.
	async * #run(options, more, keep) {
		const messages = messagesOf(options)
		options.signal?.throwIfAborted()
		const extension = this.#prefer !== 'none' && await findExtension(this.#prefer !== 'gateway').catch(() => {})
		const gateway = this.#gateway({ ...options, messages }, more)
		const ways = extension ? [fromExtension(extension, options, more)] : []
		if (this.#url || !extension) ways[this.#prefer === 'gateway' ? 'unshift' : 'push'](gateway)
		let reason
		for (const parts of ways) {
			let begun
			try {
				for (;;) {
					const { done, value } = await parts.next()
					if (done) return keep(value)
					begun = true
					yield value
				}
			} catch (cause) {
				if (begun) throw cause
				if (/NotAllowed|user_?(refused|denied|rejected)| 4001$/i.test(`${cause?.name} ${cause?.code}`)) fail('user_refused', 'The visitor does not let this page use AI.', { cause })
				if (parts === gateway || !reason) reason = cause
			} finally {
				await parts.return()
			}
		}
		throw reason
	}

	async * #gateway({ messages, model, temperature, maxTokens: max_tokens, topP: top_p, stopSequences: stop, signal }, more) {
		if (!this.#url) fail('no_gateway', 'There is no extension: set gatewayUrl.')
		const cut = (cause) => {
			signal?.throwIfAborted()
			fail('unreachable', 'The gateway cannot be reached.', { cause })
		}
		const response = await fetch(`${this.#url}/v1/chat/completions`, {
			method: 'POST', signal, body: JSON.stringify({ model, messages, temperature, max_tokens, top_p, stop, ...more }),
			headers: { 'content-type': 'application/json', ...this.#token && { authorization: `Bearer ${this.#token}` } },
		}).catch(cut)
		const { ok, status, headers } = response, requestId = headers.get('x-request-id')
		let text = '', finishReason, usage = {}
		for await (const data of more.stream && ok ? events(response.body, cut) : [await response.text().catch(cut), '[DONE]']) {
			if (data === '[DONE]' || !data && finishReason) {
				return withObject({ text, usage: usageOf(usage), model, provider: headers.get('x-tallygate-provider'), finishReason, transport: 'gateway', requestId }, more)
			}
			const answer = parse(data)
			if (!ok || answer?.error) {
				const { code = 'refused', type, message = `The gateway answered ${status}.`, visitor_message: visitorMessage } = answer?.error ?? {}
				fail(code, message, {
					type, status, visitorMessage, retryAfter: +headers.get('retry-after') || undefined, requestId,
					limits: Object.fromEntries([...headers].filter(([name]) => /^x-ratelimit/.test(name))),
				})
			}
			const [choice] = answer?.choices ?? fail('broken_answer', 'The gateway\'s answer is broken, or broke off.')
			model = answer.model ?? model
			usage = answer.usage ?? usage
			finishReason = choice?.finish_reason ?? finishReason
			const piece = (choice?.delta ?? choice?.message)?.content ?? ''
			text += piece
			if (more.stream && piece) yield piece
		}
	}
}

async function * fromExtension(extension, { signal, gatewayToken, gatewayUrl, prefer, system, ...options }, more) {
	const schema = more.response_format?.json_schema.schema
	if (schema) system = `${system ?? ''}\nAnswer with JSON only, of this schema: ${JSON.stringify(schema)}`
	options.messages = messagesOf({ ...options, system })
	// An extension cannot be handed a signal.
	const stopped = new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
	const streams = more.stream && extension.streamText
	let result = await Promise.race([stopped, extension[streams ? 'streamText' : 'generateText'](options)])
	if (streams) {
		const { usage, finishReason, textStream = result } = result
		let text = ''
		for await (const part of textStream) {
			signal?.throwIfAborted()
			const piece = part.text ?? part.textDelta ?? part
			text += piece
			yield piece
		}
		result = { text: text || undefined, usage: await usage, finishReason: await finishReason }
	}
	if (typeof result?.text !== 'string') fail('broken_answer', 'The extension gave no text.')
	if (more.stream && !streams) yield result.text
	return withObject({ ...result, usage: result.usage ?? usageOf({}), transport: 'extension' }, more)
}

async function findExtension(wait) {
	const { window, navigator } = globalThis
	const here = () => [navigator?.llm, window?.__webllm].find((x) => x?.generateText)
	if (wait && inPage() && !here()) await new Promise((resolve) => {
		window.addEventListener('webllm:ready', resolve, { once: true })
		setTimeout(resolve, EXTENSION_BY - Date.now())
	})
	return here()
}

function messagesOf({ system, prompt, messages = prompt && [{ role: 'user', content: prompt }] } = {}) {
	if (!messages?.length) invalid('A prompt or messages are needed.')
	return system ? [{ role: 'system', content: system }, ...messages] : messages
}

function parse(text) {
	try {
		return JSON.parse(text)
	} catch {}
}

function withObject(result, { response_format }) {
	if (!response_format) return result
	// Some models put a fence around it.
	const object = parse(result.text.replace(/^\s*```\w*\n|\n```\s*$/g, ''))
	return object === undefined ? fail('broken_answer', 'The answer is not JSON.', result) : { ...result, object }
}

const usageOf = ({ prompt_tokens = 0, completion_tokens = 0, total_tokens = 0, cost }) => ({ promptTokens: prompt_tokens, completionTokens: completion_tokens, totalTokens: total_tokens, cost })

// The data of server-sent events, however they are cut.
async function * events(body, cut) {
	const reader = body.getReader(), decoder = new TextDecoder()
	let rest = '', data = []
	try {
		for (let done, value; !done;) {
			({ done, value } = await reader.read().catch(cut))
			rest += done ? '\n\n' : decoder.decode(value, { stream: true })
			const lines = rest.split(/\r\n|\n|\r(?!$)/) // a CR at the end may be half of a CRLF
			rest = lines.pop()
			for (const line of lines) {
				if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
				if (line || !data.length) continue
				yield data.join('\n')
				data = []
			}
		}
		yield ''
	} finally {
		reader.cancel().catch(() => {})
	}
}

// ISO 3166-1 alpha-2, and XK for Kosovo.
const countries = listOf(/^(A[D-GILMOQ-UWXZ]|B[ABD-JL-OQ-TVWYZ]|C[ACDF-IK-ORU-Z]|D[EJKMOZ]|E[CEGHRST]|F[IJKMOR]|G[ABD-ILMNP-UWY]|H[KMNRTU]|I[DEL-OQ-T]|J[EMOP]|K[EGHIMNPRWYZ]|L[ABCIKR-VY]|M[AC-HK-Z]|N[ACEFGILOPRUZ]|OM|P[AE-HK-NRSTWY]|QA|R[EOSUW]|S[A-EG-ORSTVXYZ]|T[CDFGHJ-ORTVWZ]|U[AGMSYZ]|V[ACEGINU]|W[FS]|XK|Y[ET]|Z[AMW])$/, 'a country code of ISO 3166, in capitals')

// In the order of `tallygate tokens mint`: both make the same bytes.
const CLAIMS = {
	requests: limitOf, ipQuota: limitOf, cost: limitOf, quota: limitOf,
	domains: listOf(/^(?=.{1,253}$)(\*\.(?=.+\.))?((?!-)[a-z0-9-]{0,62}[a-z0-9](\.(?!$)|$))+$/, 'a host like mysite.com or *.mysite.com', (name) => name.toLowerCase().replace(/\.$/, '')),
	allowedCountries: countries, blockedCountries: countries, models: listOf(/^[ -~]{1,200}$/, 'a name'),
	maxOutput: (limit, name) => limitOf({ limit }, name).limit,
	templates: listOf(/^(?!-)[a-z0-9-]{1,40}(?<!-)$/, 'a template'), mints: (yes) => yes === true || invalid('mints is true, or left out.'),
}

export async function generateGatewayToken({ secretKey, expiresIn, ...options }) {
	if (inPage()) fail('not_in_a_page', 'Make tokens on a server: a page gives the key away.')
	const gid = /^sk-webllm-gateway-([a-z0-9]{9})-[\w-]+$/.exec(secretKey)?.[1] ?? invalid('secretKey is not the private key of a gateway.')
	if (options.allowedCountries && options.blockedCountries) invalid('allowedCountries and blockedCountries contradict each other.')
	if (expiresIn !== undefined && !(expiresIn >= 1000 && expiresIn <= 316e9)) invalid('expiresIn is in milliseconds, from a second to ten years.')
	const iat = Math.floor(Date.now() / 1000)
	const claims = { tid: 'tok_' + base64url(crypto.getRandomValues(new Uint8Array(16))), gid, iat, exp: expiresIn && iat + Math.floor(expiresIn / 1000) }
	only(CLAIMS, options)
	for (const name in CLAIMS) if (options[name] != null) claims[name] = CLAIMS[name](options[name], name)
	const signed = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => base64url(utf8(JSON.stringify(part)))).join('.')
	const key = await crypto.subtle.importKey('raw', utf8(secretKey), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
	return `wlm-${gid}.${signed}.${base64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8(signed))))}`
}

const utf8 = (text) => new TextEncoder().encode(text)
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) => '-_'['+/'.indexOf(c)] ?? '')

const only = (known, given) => Object.keys(given).forEach((name) => Object.hasOwn(known, name) || invalid(`${name} is no part of a token.`))

// {limit, period}, or short: 1000 or "1000/month".
function limitOf(given, name) {
	const [max, per] = `${given}`.split('/'), cost = name === 'cost'
	if (typeof given !== 'object') given = { limit: +max, period: per }
	let { limit, period = 'lifetime', currency = 'USD', type } = given
	only({ limit, period, ...cost && { currency }, ...name === 'quota' && { type } }, given)
	if (!(cost ? limit?.toFixed && limit >= 1e-6 && limit <= 1e6 : Number.isSafeInteger(limit) && limit > 0)) invalid(`${name}: the limit is a ${cost ? 'number of dollars' : 'whole number'} above 0, not ${limit}.`)
	if (currency !== 'USD') invalid(`cost: the currency is USD, not ${currency}.`)
	if (name === 'quota' && !/^(requests|tokens)$/.test(type)) invalid('quota: the type is requests or tokens.')
	if (/^(lifetime|total)$/.test(period)) period = cost ? undefined : 'lifetime'
	else if (!/^(minute|hour|day|week|month)$/.test(period)) invalid(`${name}: the period is minute, hour, day, week, month or lifetime, not ${period}.`)
	return { type, limit: cost ? Number(limit.toFixed(9)) : limit, currency: cost ? currency : undefined, period }
}

function listOf(good, what, write = String) {
	return (given, name) => {
		const list = [given].flat().map((item) => item?.trim ? write(item) : '')
		if (!list.length && name !== 'domains') invalid(`${name} is empty: leave it out to allow any.`)
		for (const item of list) good.test(item) || invalid(`${name}: ${item} is not ${what}.`)
		return list.length ? list : undefined
	}
}
