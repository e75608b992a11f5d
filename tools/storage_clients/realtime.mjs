// The TypeScript client of this repository follows a channel of a real server that is killed twice: no message is missed, doubled or
// out of order.
//   node realtime.mjs PROGRAM FOLDER PORT CLIENT
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import WebSocket from "ws";

import { Server } from "./server.mjs";

const [program, folder, port, client] = process.argv.slice(2);
const { RealtimeClient } = await import(pathToFileURL(resolve(client)));
const server = new Server(program, folder, port, { STOA_REALTIME__PUBLISHES_PER_USER: "1000/s" });
await server.start();
let realtime;
try {
  const person = { email: "channels@example.com", password: "journeys-are-no-secret", first_name: "A", last_name: "B" };
  const registered = await (await server.call("POST", "/api/v1/auth/register", { json: person })).json();
  const token = registered.access_token;
  const channel = `user:${registered.user.id}`;
  const [seen, states] = [[], []];
  realtime = new RealtimeClient({
    url: `ws://127.0.0.1:${port}/api/v1/realtime`,
    // A new ticket for each connection: the token stays out of the socket.
    credentials: async () => {
      const made = await server.call("POST", "/api/v1/realtime/tickets", { token, json: {} });
      return { ticket: (await made.json()).ticket };
    },
    onState: (state) => states.push(state),
    openSocket: (url) => new WebSocket(url),
    random: () => 0,
  });
  const subscribed = new Promise((done) => {
    realtime.subscribe(channel, {
      onMessage: (message) => message.event === "client.counted" && seen.push(message),
      onSubscribed: ({ recovered }) => {
        assert.ok(recovered, "everything that was missed is sent");
        done();
      },
      onEnd: (code) => assert.fail(code),
    });
  });
  realtime.connect();
  await subscribed;
  let number = 0;
  const publish = () =>
    server.call("POST", `/api/v1/realtime/channels/${channel}/messages`, {
      token,
      json: { event: "client.counted", data: ++number },
    });
  const until = async (holds) => {
    for (let attempt = 0; attempt < 600 && !holds(); attempt++) await new Promise((go) => setTimeout(go, 50));
    assert.ok(holds(), `${seen.length} of ${number} messages came; ${states}`);
  };
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 20; count++) await publish();
    if (round === 2) break;
    await server.kill();
    await server.start();
    // Before the client is back.
    for (let count = 0; count < 20; count++) await publish();
    await until(() => realtime.state === "connected");
  }
  await until(() => seen.length === number);
  const receipt = await realtime.publish(channel, "client.counted", ++number);
  await until(() => seen.length === number);
  assert.deepEqual(seen.map((message) => message.data), Array.from({ length: number }, (_, index) => index + 1));
  assert.equal(seen.at(-1).offset, receipt.offset);
  assert.ok(states.filter((state) => state === "connected").length >= 3, `${states}`);
  console.log(`${number} messages came over three connections, each once and in order`);
} finally {
  realtime?.close();
  await server.stop();
}
