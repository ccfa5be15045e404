// Make calls with the HTTP clients of this Node: `node probe.mjs CLIENT=URL…`.
// A line for each call: `CLIENT=URL`, a tab, `ok`, `absent` or the error. Run by `mesh-record doctor`.
import http from "node:http";
import https from "node:https";

function withHttp(url) {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith("https:") ? https : http).get(url, (response) => {
      response.on("error", reject).on("end", resolve).resume();
    });
    request.on("error", reject).setTimeout(20_000, () => request.destroy(new Error("timed out")));
  });
}

async function withFetch(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  await response.text();
}

const clients = { "node:http": withHttp, fetch: typeof fetch === "function" ? withFetch : undefined };

for (const call of process.argv.slice(2)) {
  const at = call.lastIndexOf("=http");
  const client = clients[call.slice(0, at)];
  let result = "absent";
  if (client) {
    try {
      await client(call.slice(at + 1));
      result = "ok";
    } catch (error) {
      result = String(error.cause ?? error).replace(/\s+/g, " ");
    }
  }
  console.log(`${call}\t${result}`);
}
