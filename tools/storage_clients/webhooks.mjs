// The libraries that receivers verify webhooks with, standardwebhooks and svix, against what a real server sends.
//   node webhooks.mjs PROGRAM FOLDER PORT
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

import { Server } from "./server.mjs";

const [program, folder, port] = process.argv.slice(2);
const server = new Server(program, folder, port, { STOA_OUTBOUND__ALLOW: '["127.0.0.1"]' });

/** Requests that have come, and who waits for one. */
const came = [];
let arrival = later();
const receiver = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  came.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
  response.writeHead(204).end();
  arrival.resolve();
  arrival = later();
});

function later() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

/** The next request that fits. */
async function next(fits) {
  const deadline = AbortSignal.timeout(20_000);
  for (;;) {
    const found = came.findIndex(fits);
    if (found >= 0) return came.splice(found, 1)[0];
    await Promise.race([arrival.promise, once(deadline, "abort").then(() => assert.fail("no webhook came"))]);
  }
}

const ofType = (type) => (message) => JSON.parse(message.body).type === type;

/** Refuses what somebody has changed on the way, what is old, and what another has signed. */
function verifies(Library, secret, message) {
  const library = new Library(secret);
  const body = library.verify(message.body, message.headers);
  assert.equal(body.type, JSON.parse(message.body).type);
  const refuses = (body, headers, name) => assert.throws(() => library.verify(body, headers), undefined, name);
  refuses(message.body.replace("type", "tipe"), message.headers, "a changed body");
  refuses(message.body, { ...message.headers, "webhook-id": "msg_another" }, "another id");
  refuses(message.body, { ...message.headers, "webhook-timestamp": "1700000000" }, "an old time");
  const other = new Library(`whsec_${Buffer.alloc(32).toString("base64")}`);
  assert.throws(() => other.verify(message.body, message.headers), undefined, "another secret");
}

/** The same by Ed25519, of which the libraries know nothing: with the signed content as Standard Webhooks writes it. */
function verifiesPublicly(key, { headers, body }) {
  const raw = Buffer.from(key.replace("whpk_", ""), "base64");
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
  const good = signatures.filter((one) => verify(null, signed, publicKey, Buffer.from(one.slice(4), "base64")));
  assert.equal(good.length, 1, headers["webhook-signature"]);
}

await new Promise((ready) => receiver.listen(0, "127.0.0.1", ready));
await server.start();
try {
  const person = { email: "hooks@example.com", password: "journeys-are-no-secret", first_name: "Ada", last_name: "B" };
  const registered = await (await server.call("POST", "/api/v1/auth/register", { json: person })).json();
  const token = registered.access_token;
  const call = async (method, path, json) => {
    const answer = await server.call(method, path, { token, json });
    return answer.status === 204 || answer.headers.get("content-length") === "0" ? null : answer.json().catch(() => null);
  };
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const make = (json) => call("POST", "/api/v1/webhooks/endpoints", { url, events: ["profile.*"], ...json });
  const secrets = async (id) => (await call("GET", `/api/v1/webhooks/endpoints/${id}/secret`)).items;

  const endpoint = await make({ headers: { "x-journey": "one" } });
  const [first] = await secrets(endpoint.id);
  await call("POST", `/api/v1/webhooks/endpoints/${endpoint.id}/test`, {});
  const sample = await next((message) => message.headers["x-journey"] === "one");
  for (const Library of [Webhook, SvixWebhook]) verifies(Library, first.key, sample);
  console.log("a sample is verified by standardwebhooks and svix");

  await call("POST", `/api/v1/webhooks/endpoints/${endpoint.id}/rotate`, {});
  await call("PATCH", "/api/v1/users/me", { first_name: "Augusta" });
  const event = await next(ofType("profile.updated"));
  const both = await secrets(endpoint.id);
  assert.equal(both.length, 2, "the secret of before signs for a day");
  for (const { key } of both) for (const Library of [Webhook, SvixWebhook]) verifies(Library, key, event);
  console.log("an event after a rotation is verified with the new secret and the old one");

  await call("DELETE", `/api/v1/webhooks/endpoints/${endpoint.id}`);
  const another = await make({ signature: "v1a" });
  const [public_] = await secrets(another.id);
  await call("PATCH", "/api/v1/users/me", { first_name: "Ada" });
  verifiesPublicly(public_.key, await next(ofType("profile.updated")));
  console.log("an event is verified with the public key of its endpoint");
} finally {
  await server.stop();
  receiver.close();
}
