// mockttp as a recorder: passes all on, and writes each exchange as a line of JSON.
// node mockttp.mjs PORT UPSTREAM_PORT FILE
import { createWriteStream } from 'node:fs';
import { getLocal } from 'mockttp';

const [port, upstream, file] = process.argv.slice(2);
const out = createWriteStream(file);
const open = new Map();
const server = getLocal();
await server.start(Number(port));
await server.forAnyRequest().thenForwardTo(`http://127.0.0.1:${upstream}`);
await server.on('request', async (request) => {
  open.set(request.id, {
    method: request.method,
    url: request.url,
    headers: request.rawHeaders,
    body: await request.body.getText(),
  });
});
await server.on('response', async (response) => {
  const request = open.get(response.id);
  open.delete(response.id);
  const answer = { status: response.statusCode, headers: response.rawHeaders, body: await response.body.getText() };
  out.write(`${JSON.stringify({ request, response: answer })}\n`);
});
process.on('SIGTERM', () => out.end(() => process.exit(0)));
