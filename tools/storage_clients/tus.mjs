// tus-js-client uploads to a server that is killed in the middle and started again; what is stored is compared byte for byte.
//   node tus.mjs PROGRAM FOLDER PORT [MEGABYTES]
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import * as tus from "tus-js-client";

import { Server } from "./server.mjs";

const [program, folder, port, megabytes = "40"] = process.argv.slice(2);
const server = new Server(program, folder, port);

/** Uploads the bytes with these options, and has the server killed when so much of them has been sent. */
async function upload(token, path, bytes, { killAt, source = bytes, ...options }) {
  let killed = null;
  let revived = 0;
  await new Promise((resolve, reject) => {
    const client = new tus.Upload(source, {
      endpoint: `${server.url}/api/v1/storage/tus`,
      retryDelays: Array(100).fill(100),
      headers: { authorization: `Bearer ${token}` },
      metadata: { bucket: "journey", path, filetype: "application/x-journey", "x-meta-colour": "blue" },
      onProgress: (sent) => {
        if (killAt && !killed && sent > killAt * bytes.length) {
          killed = server.kill().then(() => server.start());
        }
      },
      onAfterResponse: (request, response) => {
        // Where it goes on after the kill: not at the beginning.
        if (killed && request.getMethod() === "HEAD") {
          revived = Math.max(revived, Number(response.getHeader("upload-offset") ?? 0));
        }
      },
      onSuccess: resolve,
      onError: reject,
      ...options,
    });
    client.start();
  });
  await killed;
  if (killAt) {
    assert.ok(killed, "the server was killed");
    assert.ok(revived > 0, "what had arrived was kept");
  }
  const found = await server.call("GET", `/api/v1/storage/journey/${path}`, { token });
  assert.equal(found.headers.get("content-type"), "application/x-journey");
  assert.equal(found.headers.get("x-meta-colour"), "blue");
  const hash = createHash("sha256");
  for await (const piece of found.body) hash.update(piece);
  assert.equal(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"), `${path} is what was sent`);
  console.log(`${path}: ${bytes.length} bytes${killAt ? `, went on at ${revived} after the kill` : ""}`);
}

const bytes = randomBytes(Number(megabytes) * 1_000_000);
await server.start();
try {
  const token = await server.somebody("journey");
  await upload(token, "one-request", bytes, { killAt: 0.5 });
  await upload(token, "requests-of-a-megabyte", bytes.subarray(0, 20_000_000), { chunkSize: 1_000_000, killAt: 0.5 });
  await upload(token, "side-by-side", bytes.subarray(0, 30_000_001), { parallelUploads: 3 });
  await upload(token, "nothing", Buffer.alloc(0), {});
  const unknown = bytes.subarray(0, 10_000_000);
  const pieces = Readable.from([unknown.subarray(0, 5_000_001), unknown.subarray(5_000_001)], { objectMode: false });
  await upload(token, "of-unknown-length", unknown, { source: pieces, uploadLengthDeferred: true, chunkSize: 3_000_000 });
  // One that is given up leaves nothing.
  const usage = async () => (await (await server.call("GET", "/api/v1/storage/usage", { token })).json()).bytes;
  const before = await usage();
  await new Promise((resolve, reject) => {
    const client = new tus.Upload(bytes, {
      endpoint: `${server.url}/api/v1/storage/tus`,
      headers: { authorization: `Bearer ${token}` },
      metadata: { bucket: "journey", path: "given-up" },
      chunkSize: 1_000_000,
      onChunkComplete: () => client.abort(true).then(resolve, reject),
      onError: reject,
    });
    client.start();
  });
  assert.equal(await usage(), before);
  console.log("tus-js-client: all is as it was sent");
} finally {
  await server.stop();
}
