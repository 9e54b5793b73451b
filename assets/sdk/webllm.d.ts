/** What a client is made of. Every call may be given it, too, in place of a client. */
export interface ClientOptions {
  /**
   * An access token, `wlm-…`. It is public: everybody who sees the page can read it. Leave it out for a gateway that
   * is open to the public, or if only visitors with an extension are to be served. On a server it may be a private key
   * or a client key, which must never be in a page.
   */
  gatewayToken?: string
  /**
   * Where the gateway is, for example `https://ai.mysite.com`. Default: the public URL of the gateway that this module
   * comes from, else the origin that the module was loaded from. A bundle is loaded from the page's own origin: set it
   * there unless the gateway has a public URL.
   */
  gatewayUrl?: string
  /**
   * Who is asked first: the visitor's own extension (default), or the gateway. The other one is asked if that fails.
   * With `none` no extension is asked at all: for locked tokens, whose prompt only the gateway has.
   */
  prefer?: 'extension' | 'gateway' | 'none'
}

export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool' | (string & {})
  content: unknown
  [field: string]: unknown
}

export interface GenerateOptions {
  /** A question; short for one message of the user. */
  prompt?: string
  /** A conversation, the newest message last. Takes precedence over `prompt`. */
  messages?: Message[]
  /** Goes before the messages. */
  system?: string
  /** Default: the gateway's default model. */
  model?: string
  temperature?: number
  maxTokens?: number
  topP?: number
  stopSequences?: string | string[]
  /** Ends the call; it then fails with the signal's reason. An extension that is at work is not stopped, but no longer waited for. */
  signal?: AbortSignal
}

export interface Usage {
  promptTokens: number
  completionTokens: number
  totalTokens: number
  /** In USD, where the gateway tells it. */
  cost?: number
}

export interface Result {
  text: string
  usage: Usage
  model?: string
  provider?: string | null
  /** `stop`, `length` (there would have been more) or what else the model says. */
  finishReason?: string
  transport: 'extension' | 'gateway'
  /** The gateway's name for this request, for its owner. */
  requestId?: string | null
}

/** Text as it arrives. To stop early, leave the loop or abort the signal. */
export interface TextStream extends AsyncGenerator<string, Result, void> {
  /** The stream itself. */
  textStream: TextStream
  /** Reads what is left and gives the whole; undefined if reading was broken off. */
  result(): Promise<Result>
}

export interface ObjectOptions extends GenerateOptions {
  /** A JSON schema for the model. The answer is checked to be JSON; whether it follows the schema is the model's doing. */
  schema: object
  /** What the object is called when the model is asked for it: letters, digits, `_` and `-`. Default `answer`. */
  name?: string
}

/**
 * AI for a page. The visitor's extension is looked for first (`navigator.llm`, `window.__webllm`; it may announce
 * itself with the event `webllm:ready` within 300 ms after this module was loaded), then the gateway is asked. An
 * extension that is broken or refuses is passed over. A visitor who says no is not: an error of the extension whose
 * name is `NotAllowedError` or whose code is `user_refused`, `user_denied`, `user_rejected` or 4001 ends the call.
 * Once the first piece of a stream has arrived, nobody else is asked.
 */
export class WebLLMClient {
  constructor(options?: ClientOptions)
  generateText(options: GenerateOptions): Promise<Result>
  streamText(options: GenerateOptions): TextStream
  generateObject<T = unknown>(options: ObjectOptions): Promise<Result & { object: T }>
}

export function generateText(options: ClientOptions & GenerateOptions): Promise<Result>
export function streamText(options: ClientOptions & GenerateOptions): TextStream
export function generateObject<T = unknown>(options: ClientOptions & ObjectOptions): Promise<Result & { object: T }>

/** What calls fail with, except for an aborted signal's reason and what an extension throws when there is no gateway. */
export class WebLLMError extends Error {
  name: 'WebLLMError'
  /**
   * The gateway's code (`token_expired`, `origin_not_allowed`, `country_not_allowed`, `ip_quota`, `requests_limit`,
   * `cost_limit`, …; `refused` if it gives none), or one of the client's own: `invalid_options`, `no_gateway`,
   * `unreachable` (no network, or no permission to call across origins), `broken_answer`, `user_refused`,
   * `not_in_a_page`.
   */
  code: string
  /** A sentence that can be shown to the visitor: whether to try again, and when. */
  visitorMessage: string
  /** The gateway's HTTP status. 200 if a stream failed in the middle. */
  status?: number
  /** The gateway's kind of error, for example `insufficient_quota`. */
  type?: string
  /** In seconds. */
  retryAfter?: number
  /** What the gateway says of its limits: its `x-ratelimit-…` headers. */
  limits?: Record<string, string>
  requestId?: string | null
  /** What could not be read as JSON, in `generateObject`. */
  text?: string
  cause?: unknown
}

export type Period = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'lifetime' | 'total'

/** A limit at length, or short: `1000` (for the token's life) or `'1000/month'`. */
export type Limit = { limit: number; period?: Period } | number | string

export interface TokenOptions {
  /** The gateway's private key, `sk-webllm-gateway-…`. */
  secretKey: string
  /** Requests of all visitors together. */
  requests?: Limit
  /** Requests of one visitor's address. */
  ipQuota?: Limit
  /** In USD, to a millionth and up to a million; for the token's life unless there is a period. */
  cost?: { limit: number; currency?: 'USD'; period?: Period } | number | string
  /** One more limit of all visitors together. */
  quota?: { type: 'requests' | 'tokens'; limit: number; period?: Period }
  /** Hosts of pages that may use the token: `mysite.com`, `*.mysite.com` (its subdomains, not itself); others in their `xn--` form. `[]`: any. */
  domains?: string | string[]
  /** ISO 3166-1 alpha-2, in capitals; only visitors from there. */
  allowedCountries?: string | string[]
  /** ISO 3166-1 alpha-2, in capitals; all visitors but those from there. Not together with allowedCountries. */
  blockedCountries?: string | string[]
  /** Models of the gateway that the token may use. */
  models?: string | string[]
  /** Output tokens of one answer, instead of the gateway's own bound for visitors. */
  maxOutput?: number
  /** Templates of the gateway that the token is locked to: a page then sends its visitor's words and nothing else. */
  templates?: string | string[]
  /** Lets your server make short-lived tokens of it at `POST /v1/tokens`. It then works in no page. */
  mints?: true
  /** How long the token is valid, in milliseconds, from a second to ten years. Default: until it is revoked. */
  expiresIn?: number
}

/**
 * Makes an access token, without asking the gateway, exactly as `tallygate tokens mint` does. For servers and build
 * scripts: it refuses to run in a page. What is wrong with the options is refused, too, rather than left out.
 */
export function generateGatewayToken(options: TokenOptions): Promise<string>
