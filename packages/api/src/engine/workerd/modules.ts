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

/** First module of a hosted app: says at deploy what is missing, and prints rejections that nobody handles. */
export function appEntry(main: string): string {
  return `import * as app from ${JSON.stringify(`./${main}`)};
const handler = app.default;
if (typeof (typeof handler === "function" ? handler.prototype?.fetch : handler?.fetch) !== "function")
  throw new TypeError(handler === undefined
    ? ${JSON.stringify(`${main} has no default export`)}
    : ${JSON.stringify(`The default export of ${main} has no fetch method`)});
const { error } = console;
addEventListener("unhandledrejection", (event) => error("Uncaught (in promise)", event.reason));
export default handler;
`
}

/** Answers pings: as long as it does, the process's one thread is not stuck in the app. */
export const controlModule = `export default { fetch() { return new Response("ok") } }`
