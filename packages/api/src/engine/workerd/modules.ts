/**
 * The modules of ours that run inside workerd, as text.
 *
 * `programEntry` shares its isolate with a hostile program: it takes what it needs from the globals before the program
 * is imported, and what it returns is only ever the program's own result. `hostModule` is in another isolate, which
 * the program cannot reach, and trusts nothing that comes back.
 */

/**
 * First module of an execution's isolate. Answers one string, whose first letter says what the rest is:
 * R result as JSON, T [message, stack] as JSON, O output too large, N the module exports nothing to run.
 */
export function programEntry(main: string): string {
  return `import { WorkerEntrypoint } from "cloudflare:workers";
const { stringify } = JSON;
const toText = String, IsError = Error, TheRequest = Request, TheResponse = Response, AnObject = Object;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const slice = uncurry(String.prototype.slice), has = uncurry(Object.prototype.hasOwnProperty);
const headersOf = uncurry(Headers.prototype.forEach), textOf = uncurry(Response.prototype.text);
let used = false;

function encode(value) {
  if (value === undefined) return "null";
  const kind = typeof value;
  if (kind === "function" || kind === "symbol" || kind === "bigint")
    throw new TypeError("The result is a " + kind + ", which JSON cannot carry");
  const json = stringify(value);
  if (typeof json !== "string") throw new TypeError("The result's toJSON returns nothing that JSON can carry");
  return json;
}
async function plain(response) {
  const headers = {};
  headersOf(response.headers, (value, name) => { headers[name] = value; });
  return { status: response.status, headers, body: await textOf(response) };
}
function request(input) {
  const of = typeof input === "object" && input !== null ? input : {};
  let body = of.body ?? undefined;
  const headers = new Headers(of.headers ?? {});
  if (body !== undefined && typeof body !== "string") {
    body = stringify(body);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
  }
  return new TheRequest(of.url ?? "http://localhost/", { method: of.method ?? (body === undefined ? "GET" : "POST"), headers, body });
}
function failure(error) {
  let message = "The program threw something that cannot be shown", stack;
  try {
    message = slice(toText(error), 0, 8192);
    if (error instanceof IsError && typeof error.stack === "string") stack = slice(error.stack, 0, 8192);
  } catch {}
  return "T" + stringify([message, stack]);
}
const NONE = {};
async function evaluate(input, env, ctx) {
  const module = await import(${JSON.stringify(`./${main}`)});
  if (typeof module.run === "function") return module.run(input);
  const main = module.default;
  if (typeof main === "function" && typeof main.prototype?.fetch === "function") return new main(ctx, env).fetch(request(input), env, ctx);
  if (typeof main === "function") return main(input);
  if (typeof main?.run === "function") return main.run(input);
  if (typeof main?.fetch === "function") return main.fetch(request(input), env, ctx);
  return NONE;
}
export default class extends WorkerEntrypoint {
  async run(input, outputBytes) {
    if (used) return failure(new Error("The program calls its own entry"));
    used = true;
    try {
      let value = await evaluate(input, this.env, this.ctx);
      if (value === NONE) return "N";
      if (value instanceof TheResponse) value = await plain(value);
      const json = encode(value);
      return json.length > outputBytes ? "O" : "R" + json;
    } catch (error) {
      return failure(error);
    }
  }
}
`
}

/**
 * Host of executions: one job at a time. The body is a 4-byte length, that much JSON, and then the modules' bytes.
 * Prints the job's marker when it is over, so that the reader of stdout knows that it has every line.
 */
export const hostModule = `
const decoder = new TextDecoder();
export default {
  async fetch(request, env) {
    const bytes = await request.arrayBuffer();
    if (bytes.byteLength === 0) return new Response("ready");
    const size = new DataView(bytes).getUint32(0);
    const job = JSON.parse(decoder.decode(new Uint8Array(bytes, 4, size)));
    let answer;
    try {
      answer = await run(job, bytes, 4 + size, env);
    } catch (error) {
      answer = "T" + JSON.stringify([String(error?.message ?? error).slice(0, 8192)]);
    }
    console.log(job.marker);
    return new Response(answer);
  },
};
async function run(job, bytes, at, env) {
  const modules = { [job.entryName]: { js: job.entry } };
  for (const { name, type, size } of job.modules) {
    const part = bytes.slice(at, at += size);
    if (type === "wasm" || type === "data") modules[name] = { [type]: part };
    else if (type === "json") modules[name] = { json: JSON.parse(decoder.decode(part)) };
    else modules[name] = { [type === "text" ? "text" : "js"]: decoder.decode(part) };
  }
  const program = env.LOADER.load({
    compatibilityDate: job.compatibilityDate, compatibilityFlags: job.compatibilityFlags,
    mainModule: job.entryName, modules, env: {}, globalOutbound: null,
  });
  const answer = await program.getEntrypoint().run(job.input, job.outputBytes);
  if (typeof answer !== "string") return "T" + JSON.stringify(["The program broke its own entry"]);
  return answer.length > job.outputBytes + 20000 ? "O" : answer;
}
`

/**
 * Main module of a hosted app: says at deploy what is missing.
 *
 * @param requests name of the module that `requestModule` is; it comes before everything of the app's
 * @param wanted handlers that must be there
 * @param classes Durable Objects, which the runtime looks for here
 */
export function appEntry(
  main: string,
  requests: string,
  wanted: string[],
  classes: string[] = [],
): string {
  return `import { withRequests } from ${JSON.stringify(`./${requests}`)};
import * as app from ${JSON.stringify(`./${main}`)};
${classes.length > 0 ? `export { ${classes.join(', ')} } from ${JSON.stringify(`./${main}`)};` : ''}
const handler = app.default;
const handlers = typeof handler === "function" ? handler.prototype : handler;
for (const wanted of ${JSON.stringify(wanted)}) if (typeof handlers?.[wanted] !== "function")
  throw new TypeError(handler === undefined
    ? ${JSON.stringify(`${main} has no default export`)}
    : ${JSON.stringify(`The default export of ${main} has no `)} + wanted + " method");
export default withRequests(handler);
`
}

/**
 * Its default entrypoint is reached through the control socket alone. It answers pings: as long as it does, the
 * process's one thread is not stuck in the app. And it calls the app's `scheduled` handler.
 *
 * `Cache` keeps what the app puts into the Cache API: a little, and no longer than the process lives. workerd asks for
 * it with GET and `only-if-cached`, sends it with PUT as the text of a whole response, and forgets it with PURGE.
 */
export const controlModule = `
const MOST = 16777216, MOST_ONE = 4194304, EXTRA = 1024;
const USUAL = { 200: 7200, 301: 7200, 302: 1200, 303: 1200, 404: 180, 410: 180 };
const kept = new Map();
let size = 0;

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("ok");
    const { cron, at } = await request.json();
    try {
      return Response.json(await env.APP.scheduled({ cron, scheduledTime: new Date(at) }));
    } catch (error) {
      return Response.json({ outcome: "exception", error: String(error?.message ?? error).slice(0, 2000) });
    }
  },
};
export const Cache = {
  async fetch(request) {
    const key = (request.headers.get("cf-cache-namespace") ?? "") + " " + request.url;
    if (request.method === "PURGE") return new Response(null, { status: drop(key) ? 200 : 404 });
    if (request.method === "PUT") {
      const bytes = await read(request.body);
      if (bytes) try { keep(key, parse(bytes)); } catch {}
      return new Response(null, { status: 204 });
    }
    return match(key, request);
  },
};
function match(key, request) {
  const it = kept.get(key);
  if (!it || it.until <= Date.now()) {
    drop(key);
    return new Response(null, { status: 504, headers: { "cf-cache-status": "MISS" } });
  }
  kept.delete(key);
  kept.set(key, it);
  const headers = new Headers(it.headers);
  headers.set("cf-cache-status", "HIT");
  headers.set("age", String(Math.floor((Date.now() - it.at) / 1000)));
  const etag = headers.get("etag");
  if (etag !== null && request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  return new Response(it.body.length > 0 ? it.body : null, { status: it.status, headers, encodeBody: "manual" });
}
function keep(key, { status, headers, body }) {
  drop(key);
  const seconds = freshSeconds(status, headers);
  if (!(seconds > 0)) return;
  kept.set(key, { status, headers, body, at: Date.now(), until: Date.now() + seconds * 1000 });
  size += body.length + EXTRA;
  for (const oldest of kept.keys()) {
    if (size <= MOST) return;
    drop(oldest);
  }
}
function drop(key) {
  const it = kept.get(key);
  if (!it) return false;
  kept.delete(key);
  size -= it.body.length + EXTRA;
  return true;
}
function freshSeconds(status, headers) {
  const control = (headers.get("cache-control") ?? "").toLowerCase();
  if (/no-store|no-cache|private/.test(control) || headers.has("set-cookie")) return 0;
  const said = /s-maxage=([0-9]+)/.exec(control) ?? /max-age=([0-9]+)/.exec(control);
  if (said) return Number(said[1]);
  const expires = headers.get("expires");
  return expires === null ? USUAL[status] : (Date.parse(expires) - Date.now()) / 1000;
}
async function read(body) {
  let chunks = [], length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length <= MOST_ONE) chunks.push(chunk);
    else chunks = [];
  }
  if (length > MOST_ONE) return undefined;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) { bytes.set(chunk, at); at += chunk.length; }
  return bytes;
}
function parse(bytes) {
  let end = 0;
  while (end < bytes.length && !(bytes[end] === 13 && bytes[end + 2] === 13)) end++;
  const [first, ...lines] = new TextDecoder().decode(bytes.subarray(0, end)).split("\\r\\n");
  const headers = new Headers();
  for (const line of lines) {
    const at = line.indexOf(":"), name = line.slice(0, at).toLowerCase();
    if (name !== "content-length" && name !== "transfer-encoding") headers.append(name, line.slice(at + 1).trim());
  }
  return { status: Number(first.split(" ")[1]), headers, body: bytes.subarray(end + 4) };
}
`
