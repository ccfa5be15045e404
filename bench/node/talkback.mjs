// talkback as a recorder: passes all on, and keeps each exchange as a tape, a file of its own.
// node talkback.mjs PORT UPSTREAM_PORT FOLDER
import talkback from 'talkback';

const [port, upstream, path] = process.argv.slice(2);
let tapes = 0;
const server = talkback({
  host: `http://127.0.0.1:${upstream}`,
  port: Number(port),
  path,
  record: talkback.Options.RecordMode.OVERWRITE,
  // Its own names are taken twice where requests overlap.
  tapeNameGenerator: () => `${++tapes}`,
  silent: true,
  summary: false,
});
await server.start();
process.on('SIGTERM', () => server.close(() => process.exit(0)));
