import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { backoff, RealtimeClient, RealtimeError, type Credentials, type Message, type State } from "../src/index.js";
import { FakeSocket, message, settle } from "./support/server.js";

const CONNECTED = { connection_id: "c", user_id: "u", heartbeat_ms: 25_000 };

let sockets: FakeSocket[];
let client: RealtimeClient;
let tokens: number;
let states: (state: State, why?: unknown) => void;
let refuseSocket: () => void;
let credentials: () => Promise<Credentials>;

const channels = (commands: Record<string, unknown>[]): unknown[] =>
  commands.flatMap((command) => (command["subscribe"] as { channel: string } | undefined)?.channel ?? []);
const socket = (): FakeSocket => sockets.at(-1) ?? assert.fail("no connection was opened");

async function start(): Promise<void> {
  client.connect();
  await settle();
}

async function accept(connected: object = CONNECTED): Promise<void> {
  await settle();
  socket().open();
  await settle();
  assert.deepEqual(socket().commands.at(-1)?.["connect"], { token: `t${tokens}` });
  socket().answer(connected);
  await settle();
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  sockets = [];
  tokens = 0;
  states = () => {};
  refuseSocket = () => {};
  credentials = async () => ({ token: `t${++tokens}` });
  client = new RealtimeClient({
    url: "ws://stoa.example/api/v1/realtime",
    credentials: () => credentials(),
    onState: (state, why) => states(state, why),
    openSocket: () => {
      refuseSocket();
      const opened = new FakeSocket();
      sockets.push(opened);
      return opened;
    },
    random: () => 1,
  });
});

afterEach(() => {
  client.close();
  mock.timers.reset();
});

test("the pause doubles, up to a limit, and half of it is random", () => {
  const pauses = [0, 1, 2, 10, 100].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(pauses, [500, 1000, 2000, 30_000, 30_000]);
  assert.equal(backoff(0, () => 0), 250);
});

test("messages come in order and none twice", async () => {
  const seen: number[] = [];
  client.subscribe("a:1", { onMessage: (one: Message) => seen.push(one.offset) });
  await start();
  await accept();
  assert.deepEqual(socket().commands.at(-1)?.["subscribe"], { channel: "a:1" });
  socket().answer({ channel: "a:1", epoch: "e", offset: 3 });
  for (const offset of [3, 4, 5, 5, 4, 6]) socket().push(message("a:1", offset));
  socket().push(message("b:1", 7));
  assert.deepEqual(seen, [4, 5, 6]);
});

test("a lost connection is opened again, and what was missed is asked for", async () => {
  const seen: number[] = [];
  const recovered: boolean[] = [];
  client.subscribe("a:1", {
    onMessage: (one) => seen.push(one.offset),
    onSubscribed: (state) => recovered.push(state.recovered),
  });
  await start();
  await accept();
  socket().answer({ channel: "a:1", epoch: "e", offset: 0 });
  socket().push(message("a:1", 1));
  socket().end(1006);
  assert.equal(client.state, "waiting");
  mock.timers.tick(499);
  await settle();
  assert.equal(sockets.length, 1);
  mock.timers.tick(1);
  await accept();
  assert.deepEqual(socket().commands.at(-1)?.["subscribe"], {
    channel: "a:1",
    recover: { epoch: "e", offset: 1 },
  });
  socket().answer({ channel: "a:1", epoch: "e", offset: 1, recovered: true });
  socket().push(message("a:1", 2));
  assert.deepEqual(seen, [1, 2]);
  socket().end(1001);
  mock.timers.tick(500);
  await accept();
  socket().answer({ channel: "a:1", epoch: "f", offset: 9, recovered: false });
  assert.deepEqual(recovered, [true, true, false]);
});

test("a channel that was new is recovered by the epoch of its first message", async () => {
  client.subscribe("a:1", { onMessage: () => {} });
  await start();
  await accept();
  socket().answer({ channel: "a:1", epoch: "", offset: 0 });
  socket().push({ ...message("a:1", 1), epoch: "e" });
  socket().push(message("a:1", 2));
  socket().end(1006);
  mock.timers.tick(500);
  await accept();
  assert.deepEqual(socket().commands.at(-1)?.["subscribe"], {
    channel: "a:1",
    recover: { epoch: "e", offset: 2 },
  });
});

test("each further attempt waits longer", async () => {
  await start();
  for (const pause of [500, 1000, 2000]) {
    const count = sockets.length;
    socket().end(1006);
    mock.timers.tick(pause - 1);
    await settle();
    assert.equal(sockets.length, count);
    mock.timers.tick(1);
    await settle();
    assert.equal(sockets.length, count + 1);
  }
  await accept();
  socket().end(1006);
  mock.timers.tick(500);
  await settle();
  assert.equal(sockets.length, 5);
});

test("the server says when to come back", async () => {
  await start();
  await accept();
  socket().push({ disconnect: { code: "shutdown", reconnect: true, reconnect_after_ms: 7000 } });
  socket().end(4000);
  mock.timers.tick(6999);
  await settle();
  assert.equal(sockets.length, 1);
  mock.timers.tick(1);
  await settle();
  assert.equal(sockets.length, 2);
});

test("a session that has ended is not tried again", async () => {
  await start();
  await accept();
  socket().push({ disconnect: { code: "token_revoked", reconnect: false } });
  socket().end(4500);
  mock.timers.tick(3_600_000);
  await settle();
  assert.equal(client.state, "closed");
  assert.equal(sockets.length, 1);
});

for (const hours of [-2, 0, 2]) {
  test(`a fresh token comes before the old one expires, with a clock that is ${hours} hours ahead`, async () => {
    const expires_at = new Date(Date.now() + 3_600_000 * (1 - hours)).toISOString();
    const connected = { ...CONNECTED, expires_at, expires_in_ms: 3_600_000, heartbeat_ms: 100_000_000 };
    await start();
    await accept(connected);
    for (let token = 1; token < 4; token++) {
      mock.timers.tick(3_539_999);
      await settle();
      assert.equal(tokens, token);
      mock.timers.tick(1);
      await settle();
      assert.deepEqual(socket().commands.at(-1)?.["refresh"], { token: `t${token + 1}` });
      socket().answer(connected);
      await settle();
    }
  });
}

test("a server that says only when the token expires is believed, but not asked again and again", async () => {
  await start();
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  await accept({ ...CONNECTED, expires_at, heartbeat_ms: 100_000_000 });
  mock.timers.tick(3_539_999);
  await settle();
  assert.equal(tokens, 1);
  mock.timers.tick(1);
  await settle();
  for (let token = 2; token < 5; token++) {
    assert.equal(tokens, token);
    socket().answer({ ...CONNECTED, expires_at: new Date(0).toISOString() });
    await settle();
    mock.timers.tick(4999);
    await settle();
    assert.equal(tokens, token);
    mock.timers.tick(1);
    await settle();
  }
});

test("a server that says nothing is asked, and then left", async () => {
  await start();
  await accept();
  mock.timers.tick(25_000);
  assert.deepEqual(socket().commands.at(-1)?.["ping"], {});
  socket().answer({});
  mock.timers.tick(25_000);
  mock.timers.tick(25_000);
  assert.equal(client.state, "waiting");
  assert.ok(sockets[0]?.isClosed);
});

test("a channel that may not be followed ends, and the others go on", async () => {
  const ends: string[] = [];
  const seen: number[] = [];
  client.subscribe("a:1", { onMessage: () => {}, onEnd: (code) => ends.push(code) });
  await start();
  await accept();
  socket().refuse("forbidden");
  await settle();
  client.subscribe("b:1", { onMessage: (one) => seen.push(one.offset), onEnd: (code) => ends.push(code) });
  socket().answer({ channel: "b:1", epoch: "e", offset: 0 });
  socket().push({ unsubscribed: { channel: "b:1", code: "history_lost" } });
  await settle();
  assert.ok(socket().commands.at(-1)?.["subscribe"]);
  socket().answer({ channel: "b:1", epoch: "f", offset: 0, recovered: false });
  socket().push(message("b:1", 1));
  socket().push({ unsubscribed: { channel: "b:1", code: "forbidden" } });
  assert.deepEqual([ends, seen], [["forbidden", "forbidden"], [1]]);
});

test("what is published is answered, or fails when the connection is lost", async () => {
  await start();
  await accept();
  const sent = client.publish("a:1", "client.x", { y: 1 });
  assert.deepEqual(socket().commands.at(-1)?.["publish"], { channel: "a:1", event: "client.x", data: { y: 1 } });
  socket().answer({ channel: "a:1", epoch: "e", offset: 1, id: "m", time: "t" });
  assert.equal((await sent).offset, 1);
  const lost = client.publish("a:1", "client.x", {});
  socket().end(1006);
  await assert.rejects(lost, (error: RealtimeError) => error.code === "disconnected");
});

test("many channels are asked for in portions, at first and after a reconnection", async () => {
  const wanted = Array.from({ length: 60 }, (_, index) => `a:${index}`);
  const followed: string[] = [];
  for (const channel of wanted) {
    client.subscribe(channel, { onMessage: () => {}, onSubscribed: () => followed.push(channel) });
  }
  await start();
  for (let connection = 0; connection < 2; connection++) {
    await accept();
    for (let answered = 0; answered < wanted.length; answered++) {
      const asked = socket().commands.slice(1);
      assert.equal(asked.length, Math.min(wanted.length, answered + 10));
      socket().push({ id: asked[answered]?.["id"], result: { channel: `a:${answered}`, epoch: "e", offset: 0 } });
      await settle();
    }
    assert.deepEqual(channels(socket().commands), wanted);
    socket().end(1006);
    mock.timers.tick(500);
  }
  assert.deepEqual(followed, [...wanted, ...wanted]);
});

test("beyond the limit on commands nothing is asked for as long as the server says, and no subscription ends", async () => {
  const ends: string[] = [];
  client.subscribe("a:1", { onMessage: () => {}, onEnd: (code) => ends.push(code) });
  await start();
  await accept();
  const count = socket().commands.length;
  socket().refuse("rate_limited", 429, "Try again in 3.0 seconds.");
  await settle();
  client.subscribe("b:1", { onMessage: () => {}, onEnd: (code) => ends.push(code) });
  mock.timers.tick(2999);
  assert.equal(socket().commands.length, count);
  mock.timers.tick(1);
  assert.deepEqual(channels(socket().commands).slice(1).sort(), ["a:1", "b:1"]);
  assert.deepEqual(ends, []);
});

test("a channel that cannot be had for now is asked for again, each time later, and does not keep the others", async () => {
  const ends: string[] = [];
  client.subscribe("a:1", { onMessage: () => {}, onEnd: (code) => ends.push(code) });
  await start();
  await accept();
  for (const [code, status, pause] of [["unavailable", 503, 500], ["internal", 500, 1000], ["unavailable", 503, 2000]] as const) {
    socket().refuse(code, status);
    await settle();
    const count = socket().commands.length;
    mock.timers.tick(pause - 1);
    assert.equal(socket().commands.length, count);
    mock.timers.tick(1);
    assert.deepEqual(channels(socket().commands.slice(count)), ["a:1"]);
  }
  socket().refuse("unavailable", 503);
  await settle();
  client.subscribe("b:1", { onMessage: () => {} });
  assert.deepEqual(channels(socket().commands).at(-1), "b:1");
  socket().refuse("too_many_subscriptions", 429);
  await settle();
  mock.timers.tick(4000);
  assert.deepEqual(channels(socket().commands).at(-1), "a:1");
  socket().refuse("forbidden");
  await settle();
  mock.timers.tick(3_600_000);
  assert.deepEqual(ends, ["forbidden"]);
});

test("a channel is left also where the limit on commands is reached, and can be followed anew", async () => {
  const seen: string[] = [];
  const leave = client.subscribe("a:1", { onMessage: () => seen.push("first") });
  await start();
  await accept();
  socket().answer({ channel: "a:1", epoch: "e", offset: 0 });
  await settle();
  leave();
  assert.deepEqual(socket().commands.at(-1)?.["unsubscribe"], { channel: "a:1" });
  socket().push(message("a:1", 1));
  socket().refuse("rate_limited", 429);
  await settle();
  client.subscribe("a:1", { onMessage: () => seen.push("second") });
  mock.timers.tick(500);
  assert.deepEqual(socket().commands.at(-1)?.["unsubscribe"], { channel: "a:1" });
  socket().answer({});
  await settle();
  assert.deepEqual(socket().commands.at(-1)?.["subscribe"], { channel: "a:1" });
  socket().answer({ channel: "a:1", epoch: "e", offset: 1 });
  socket().push(message("a:1", 2));
  assert.deepEqual(seen, ["second"]);
});

test("a connection is opened only when there are credentials for it", async () => {
  let give: (credentials: Credentials) => void = () => {};
  credentials = () => new Promise((resolve) => (give = resolve));
  await start();
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual([sockets.length, client.state], [0, "connecting"]);
  give({ ticket: "one" });
  await settle();
  socket().open();
  assert.deepEqual(socket().commands, [{ id: 1, connect: { ticket: "one" } }]);
});

test("credentials that come when the client was closed open nothing", async () => {
  let give: (credentials: Credentials) => void = () => {};
  credentials = () => new Promise((resolve) => (give = resolve));
  await start();
  client.close();
  give({ ticket: "one" });
  await settle();
  assert.deepEqual([sockets.length, client.state], [0, "closed"]);
});

test("credentials that cannot be had are asked for again, each time later", async () => {
  let asked = 0;
  credentials = async () => {
    asked += 1;
    throw new Error("offline");
  };
  await start();
  for (const [count, pause] of [500, 1000, 2000].entries()) {
    assert.deepEqual([asked, client.state], [count + 1, "waiting"]);
    mock.timers.tick(pause);
    await settle();
  }
  assert.deepEqual([asked, sockets.length], [4, 0]);
});

test("a client that was too slow to sign in comes back after a pause", async () => {
  await start();
  socket().push({ disconnect: { code: "connect_timeout", reconnect: false } });
  socket().end(4502);
  assert.equal(client.state, "waiting");
  mock.timers.tick(499);
  await settle();
  assert.equal(sockets.length, 1);
  mock.timers.tick(1);
  await accept();
  assert.equal(client.state, "connected");
});

test("a ticket that is over and a server that cannot sign anybody in are no reason to stay away", async () => {
  await start();
  for (const [code, status] of [["ticket_invalid", 401], ["unavailable", 503], ["rate_limited", 429]] as const) {
    const count = sockets.length;
    socket().open();
    socket().refuse(code, status);
    await settle();
    assert.ok(socket().isClosed);
    assert.equal(client.state, "waiting");
    mock.timers.tick(30_000);
    await settle();
    assert.equal(sockets.length, count + 1);
  }
  socket().open();
  socket().refuse("unauthenticated", 401);
  await settle();
  assert.ok(!socket().isClosed, "the server closes it");
  socket().end(4501);
  assert.equal(client.state, "closed");
});

test("a connection that does not open is given up", async () => {
  await start();
  mock.timers.tick(30_000);
  assert.ok(socket().isClosed);
  mock.timers.tick(500);
  await accept();
  assert.equal(client.state, "connected");
});

test("a client that is closed while it says how it is stays closed", async () => {
  await start();
  await accept();
  states = (state) => state === "waiting" && client.close();
  socket().end(1006);
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual([client.state, sockets.length], ["closed", 1]);
});

test("what is published without a connection is refused at once, and nothing is left of it", async () => {
  const refused = (error: unknown): boolean => error instanceof RealtimeError && error.code === "not_connected";
  const publish = (): Promise<unknown> => client.publish("a:1", "client.x", {});
  await assert.rejects(publish(), refused);
  await start();
  await assert.rejects(publish(), refused);
  socket().open();
  await assert.rejects(publish(), refused);
  assert.deepEqual(socket().commands, [{ id: 1, connect: { token: "t1" } }]);
  socket().answer(CONNECTED);
  await settle();
  const sent = publish();
  socket().answer({ channel: "a:1", epoch: "e", offset: 1, id: "m", time: "t" });
  await sent;
  socket().isOpen = false;
  await assert.rejects(publish(), refused);
  socket().end(1006);
  await assert.rejects(publish(), refused);
});

test("history and presence are asked for, and a refusal says why", async () => {
  await assert.rejects(client.history("a:1"), (error: RealtimeError) => error.code === "not_connected");
  await start();
  await accept();
  const past = client.history<{ offset: number }>("a:1", { after: 3, limit: 2 });
  assert.deepEqual(socket().commands.at(-1)?.["history"], { channel: "a:1", after: 3, limit: 2 });
  socket().answer({ channel: "a:1", epoch: "e", offset: 9, messages: [message("a:1", 4), message("a:1", 5)] });
  assert.deepEqual((await past).messages.map((one) => one.data.offset), [4, 5]);
  const there = client.presence("a:1");
  assert.deepEqual(socket().commands.at(-1)?.["presence"], { channel: "a:1" });
  socket().answer({ channel: "a:1", users: [{ user_id: "u", since: "2026-01-01T00:00:00Z" }], more: false });
  assert.deepEqual((await there).users.map((user) => user.user_id), ["u"]);
  const all = client.history("a:1");
  assert.deepEqual(socket().commands.at(-1)?.["history"], { channel: "a:1" });
  socket().refuse("forbidden");
  await assert.rejects(all, (error: RealtimeError) => error.code === "forbidden" && error.problem.status === 403);
});

test("who wants to be seen on a channel says so with each subscription", async () => {
  client.subscribe("a:1", { onMessage: () => {} }, { presence: true });
  await start();
  await accept();
  assert.deepEqual(socket().commands.at(-1)?.["subscribe"], { channel: "a:1", presence: true });
  socket().answer({ channel: "a:1", epoch: "e", offset: 2 });
  socket().end(1006);
  mock.timers.tick(500);
  await accept();
  const recover = { epoch: "e", offset: 2 };
  assert.deepEqual(socket().commands.at(-1)?.["subscribe"], { channel: "a:1", recover, presence: true });
});

test("without a WebSocket, or with an address that is none, there is no client", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  const credentials = async (): Promise<Credentials> => ({ token: "t" });
  const url = "wss://stoa.example/api/v1/realtime";
  try {
    Object.defineProperty(globalThis, "WebSocket", { value: undefined, configurable: true, writable: true });
    assert.throws(() => new RealtimeClient({ url, credentials }), /Node has one from 22 on.*openSocket/);
    assert.ok(new RealtimeClient({ url, credentials, openSocket: () => new FakeSocket() }));
    Object.defineProperty(globalThis, "WebSocket", { value: FakeSocket, configurable: true, writable: true });
    assert.ok(new RealtimeClient({ url, credentials }));
    assert.throws(() => new RealtimeClient({ url: "https://stoa.example/", credentials }), /wss:/);
  } finally {
    if (before) Object.defineProperty(globalThis, "WebSocket", before);
    else Reflect.deleteProperty(globalThis, "WebSocket");
  }
});

test("each change of state says why", async () => {
  const seen: unknown[] = [];
  states = (state, why) => {
    const said = why instanceof RealtimeError ? why.code : (why as Error | undefined)?.message;
    seen.push(said === undefined ? state : [state, said]);
  };
  const [good, bad] = [credentials, async () => assert.fail("signed out")];
  credentials = bad;
  await start();
  credentials = good;
  refuseSocket = () => assert.fail("not here");
  mock.timers.tick(500);
  await settle();
  refuseSocket = () => {};
  mock.timers.tick(1000);
  await accept();
  socket().end(1006);
  mock.timers.tick(500);
  await accept();
  socket().push({ disconnect: { code: "token_revoked", reconnect: false } });
  socket().end(4500);
  const lost = ["connecting", ["waiting", "signed out"], "connecting", ["waiting", "not here"], "connecting", "connected"];
  assert.deepEqual(seen, [...lost, ["waiting", "disconnected"], "connecting", "connected", ["closed", "token_revoked"]]);
});

test("a subscription that cannot be sent does not end", async () => {
  await start();
  await accept();
  socket().isOpen = false;
  client.subscribe("a:1", { onMessage: () => {}, onEnd: (code) => assert.fail(code) });
  await settle();
  socket().end(1006);
  mock.timers.tick(500);
  await accept();
  assert.deepEqual(channels(socket().commands), ["a:1"]);
});
