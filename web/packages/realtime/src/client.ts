import { backoff } from "./backoff.js";
import { Calls, disconnected, notConnected } from "./calls.js";
import { Following } from "./following.js";
import {
  RealtimeError,
  type Connected,
  type Disconnect,
  type History,
  type Message,
  type Presence,
  type Receipt,
  type ServerText,
} from "./protocol.js";
import { openSocket, type OpenSocket, type Socket } from "./socket.js";
import { Subscription, type Handlers } from "./subscription.js";

/** What says who the client is: an access token or API key, or a one-time ticket. */
export type Credentials = { token: string } | { ticket: string };

export interface Options {
  /** Address of the endpoint, such as wss://example.com/api/v1/realtime. */
  url: string;
  /** Asked for before each connection is opened and before a token expires: fresh credentials. Where it fails, it is tried again. */
  credentials: () => Promise<Credentials>;
  /** `why` is what ended the connection or kept it from being opened: a RealtimeError, or what `credentials` threw. */
  onState?: (state: State, why?: unknown) => void;
  /** In place of the WebSocket that is there. */
  openSocket?: OpenSocket;
  random?: () => number;
}

/** closed: not by itself again; waiting: until the next attempt. */
export type State = "closed" | "connecting" | "connected" | "waiting";

/** How long before its end a token is replaced, in milliseconds. */
const EARLY = 60_000;
/** Never sooner than this after the last time, whatever the clocks say. */
const SOONEST = 5000;
/** Longer than this no timer can be set. */
const LONGEST = 2 ** 31 - 1;
/** From this code on a client does not come back, with one exception. */
const FINAL = 4500;
const CONNECT_TIMEOUT = 4502;
/** How long a connection may take to open and to be signed in, in milliseconds. */
const PATIENCE = 30_000;

/** Channels over one connection, which is opened again whenever it is lost. */
export class RealtimeClient {
  private readonly options: Options;
  private readonly subscriptions = new Map<string, Subscription>();
  private socket: Socket | undefined;
  private calls: Calls | undefined;
  private following: Following | undefined;
  private current: State = "closed";
  private attempts = 0;
  /** Which attempt to connect this is: what an earlier one still waits for does not count. */
  private turn = 0;
  private disconnect: Disconnect | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private refresh: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  /** How often something comes from the server, in milliseconds; 0 while it has not said so. */
  private heartbeat = 0;

  constructor(options: Options) {
    if (!/^wss?:/.test(options.url)) throw new TypeError(`The url begins with ws: or wss:, unlike ${options.url}`);
    if (!options.openSocket && typeof globalThis.WebSocket !== "function") {
      throw new TypeError("There is no WebSocket here (Node has one from 22 on): give the option openSocket, with the package ws");
    }
    this.options = options;
  }

  get state(): State {
    return this.current;
  }

  /** Connects, and stays connected until `close`. */
  connect(): void {
    if (this.current === "closed") void this.open();
  }

  /** Ends the connection; subscriptions are kept for the next `connect`. */
  close(): void {
    clearTimeout(this.retry);
    this.attempts = 0;
    this.lost();
    this.setState("closed");
  }

  /** Follows a channel, now and after each reconnection. The result ends it. With `presence`, others see that the user is there. */
  subscribe(channel: string, handlers: Handlers, options: { presence?: boolean } = {}): () => void {
    if (this.subscriptions.has(channel)) throw new Error(`${channel} is subscribed to already`);
    const subscription = new Subscription(channel, handlers, options.presence ?? false);
    this.subscriptions.set(channel, subscription);
    this.following?.look(channel);
    return () => {
      if (this.subscriptions.get(channel) !== subscription) return;
      this.subscriptions.delete(channel);
      this.following?.look(channel);
    };
  }

  /** Publishes to a channel; the event's name begins with "client.". */
  async publish(channel: string, event: string, data: unknown): Promise<Receipt> {
    return (await this.ask({ publish: { channel, event, data } })) as Receipt;
  }

  /** Messages behind `after` that are kept, oldest first: from the beginning, and at most 100, where nothing else is said. */
  async history<T = unknown>(channel: string, range: { after?: number; limit?: number } = {}): Promise<History<T>> {
    const { after, limit } = range;
    return (await this.ask({ history: { channel, after, limit } })) as History<T>;
  }

  /** Who is on a channel. `presence.joined` and `presence.left` among its messages say how that changes. */
  async presence(channel: string): Promise<Presence> {
    return (await this.ask({ presence: { channel } })) as Presence;
  }

  private ask(command: object): Promise<unknown> {
    return this.calls && this.current === "connected" ? this.calls.send(command) : Promise.reject(notConnected());
  }

  private setState(state: State, why?: unknown): void {
    if (state === this.current) return;
    this.current = state;
    try {
      this.options.onState?.(state, why);
    } catch (error) {
      // Shown as any error that nobody catches; the connection does not depend on it.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  private async open(): Promise<void> {
    const turn = ++this.turn;
    this.setState("connecting");
    let connect: Credentials;
    let socket: Socket;
    try {
      // First: however long they take, the server waits only so long for them once the connection is open.
      connect = await this.options.credentials();
      if (turn !== this.turn) return;
      socket = (this.options.openSocket ?? openSocket)(this.options.url);
    } catch (error) {
      if (turn === this.turn) this.ended(0, error);
      return;
    }
    const calls = new Calls(socket);
    [this.socket, this.calls] = [socket, calls];
    this.silence = setTimeout(() => this.ended(), PATIENCE);
    const ours = (): boolean => this.socket === socket;
    socket.onopen = () => ours() && void this.signIn(calls, connect);
    socket.onmessage = (event) => ours() && this.read(String(event.data));
    socket.onclose = (event) => ours() && this.ended(event.code);
    socket.onerror = () => {};
  }

  private async signIn(calls: Calls, connect: Credentials): Promise<void> {
    try {
      const connected = (await calls.send({ connect })) as Connected;
      if (this.calls !== calls) return;
      this.attempts = 0;
      this.plan(connected);
      this.watch(connected.heartbeat_ms);
      this.setState("connected");
      if (this.calls === calls) this.follow(calls);
    } catch (error) {
      if (this.calls === calls && !isFollowedByClose(error)) this.ended(0, error);
    }
  }

  private follow(calls: Calls): void {
    this.following = new Following(this.subscriptions, calls, this.options.random ?? Math.random);
  }

  private read(text: string): void {
    this.noteActivity();
    const said = JSON.parse(text) as ServerText;
    if (said.result !== undefined || said.problem) this.calls?.answered(said);
    else if (said.unsubscribed) this.following?.ended(said.unsubscribed.channel, said.unsubscribed.code);
    else if (said.disconnect) this.disconnect = said.disconnect;
    else if (said.channel !== undefined) this.following?.took(said as unknown as Message);
  }

  /** Has the token replaced before it expires. */
  private plan(connected: Connected): void {
    clearTimeout(this.refresh);
    // Two clocks are compared only where an older server leaves no choice.
    const left = connected.expires_in_ms ?? Date.parse(connected.expires_at ?? "") - Date.now();
    if (Number.isNaN(left)) return;
    const pause = Math.max(left - EARLY, left / 2, SOONEST);
    this.refresh = setTimeout(() => void this.renew(), Math.min(LONGEST, pause));
  }

  private async renew(): Promise<void> {
    const calls = this.calls;
    try {
      const refresh = await this.options.credentials();
      if (!calls || this.calls !== calls) return;
      const connected = (await calls.send({ refresh })) as Connected;
      if (this.calls === calls) this.plan(connected);
    } catch {
      // Then the token expires, and the next connection begins with fresh credentials.
    }
  }

  /** A server from which nothing comes is asked, and then left. */
  private watch(heartbeat: number): void {
    this.heartbeat = heartbeat;
    this.noteActivity();
  }

  private noteActivity(): void {
    if (this.heartbeat === 0) return;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.calls?.send({ ping: {} }).catch(() => {});
      this.silence = setTimeout(() => this.ended(), this.heartbeat);
    }, this.heartbeat);
  }

  private lost(): void {
    this.turn += 1;
    clearTimeout(this.refresh);
    clearTimeout(this.silence);
    this.heartbeat = 0;
    this.disconnect = undefined;
    this.following?.stop();
    this.following = undefined;
    const { socket, calls } = this;
    this.socket = this.calls = undefined;
    socket?.close();
    calls?.stop();
  }

  /** The connection is lost, or there was none: closed with this code by the server. */
  private ended(code = 0, error?: unknown): void {
    const said = this.disconnect;
    const after = said?.reconnect_after_ms;
    const why = error ?? disconnected(said?.code);
    this.lost();
    if (isFinal(code)) {
      this.setState("closed", why);
      return;
    }
    const pause = this.attempts > 0 || after === undefined ? backoff(this.attempts, this.options.random) : 0;
    this.attempts += 1;
    this.retry = setTimeout(() => void this.open(), Math.max(after ?? 0, pause));
    this.setState("waiting", why);
  }
}

/** Whether to stay away after a close with this code. Who was only slow to sign in comes back. */
function isFinal(code: number): boolean {
  return code >= FINAL && code < 5000 && code !== CONNECT_TIMEOUT;
}

/** Whether the server closes the connection itself after this answer to `connect`, and says by the close what to do. */
function isFollowedByClose(error: unknown): boolean {
  if (!(error instanceof RealtimeError)) return false;
  // A ticket is good for seconds alone: another one may do.
  if (error.code === "ticket_invalid") return false;
  return error.problem.status === 401 || error.code === "too_many_connections";
}
