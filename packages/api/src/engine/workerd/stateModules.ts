import { limits } from '@jackcloud/sdk/wire'

/**
 * D1 with a count of rows and an end of room, and a door beside the app's binding: `POST /query` with
 * `{ database, queries, roomBytes }` answers `{ results: [{ columns, rows, meta }] }` or `{ error }`; `POST /dump` with `{ database }` answers SQL, a statement a
 * line; `GET /rows` answers how many rows were read and written since the last time it was asked.
 */
export const d1Module = `import { WorkerEntrypoint } from "cloudflare:workers";
import d1, { D1Database } from "./d1.js";
export default d1;

let read = 0, written = 0;
export class CountedDatabase extends D1Database {
  run(queries, bookmarked, room = ${limits.hosting.dataBytes} - this.ctx.storage.sql.databaseSize) {
    const { storage } = this.ctx;
    const answer = storage.transactionSync(() => {
      const before = storage.sql.databaseSize;
      const answer = super.run(queries, bookmarked);
      if (storage.sql.databaseSize - before > Math.max(0, room))
        throw new Error("The project would keep more data than it may: delete something first.");
      return answer;
    });
    for (const { meta } of answer.results) {
      read += meta.rows_read;
      // Of many statements in one text the runtime counts the rows of the last, and the changes of all.
      written += Math.max(meta.rows_written, meta.changes);
    }
    return answer;
  }
}
export class Databases extends WorkerEntrypoint {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/rows") {
      const rows = { read, written };
      read = written = 0;
      return Response.json(rows);
    }
    try {
      const { database, queries, roomBytes } = await request.json();
      const it = this.env.DATABASE.getByName(database);
      if (pathname === "/query") return Response.json(await it.run(queries, false, roomBytes));
      if (pathname === "/dump") return new Response((await it.dump()).join("\\n") + "\\n");
      return new Response(null, { status: 404 });
    } catch (error) {
      return Response.json({ error: String(error?.message ?? error) }, { status: 422 });
    }
  }
}
`

/**
 * KV, where a minute is the shortest time to live. Elsewhere time stands still within a request; here "in a minute" has
 * become 59 s when a program took a moment to say it.
 */
export const kvModule = `import kv from "./kv.js";
export { KVNamespace } from "./kv.js";
const almost = /([?&]expiration_ttl=)59(?=&|$)/;
export default {
  fetch(request, env, ctx) {
    const { url } = request;
    const it = almost.test(url) ? new Request(url.replace(almost, (_, name) => name + "60"), request) : request;
    return kv.fetch(it, env, ctx);
  }
}`
