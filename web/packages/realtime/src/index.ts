export { backoff } from "./backoff.js";
export { RealtimeClient, type Credentials, type Options, type State } from "./client.js";
export { RealtimeError, type History, type Message, type Presence, type Problem, type Receipt } from "./protocol.js";
export type { OpenSocket, Socket } from "./socket.js";
export type { Handlers } from "./subscription.js";
