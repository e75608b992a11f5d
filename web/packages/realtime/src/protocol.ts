// The texts of the protocol, as docs/realtime.md describes them.

/** What the server answers to a command that was not done. */
export interface Problem {
  code: string;
  title: string;
  status?: number;
  detail?: string;
}

/** A message of a channel. */
export interface Message<T = unknown> {
  channel: string;
  /** Of the first message of a channel alone. */
  epoch?: string;
  /** 1 for the first of its channel; no number is left out. */
  offset: number;
  id: string;
  event: string;
  data: T;
  time: string;
  /** The person who published it; none for a service. */
  sender?: string;
}

/** The answer to `subscribe`. */
export interface Subscribed {
  channel: string;
  epoch: string;
  offset: number;
  recovered?: boolean;
}

/** The answer to `connect` and `refresh`. */
export interface Connected {
  connection_id: string;
  user_id: string;
  expires_at?: string;
  heartbeat_ms: number;
}

/** The answer to `publish`. */
export interface Receipt {
  channel: string;
  epoch: string;
  offset: number;
  id: string;
  time: string;
}

/** Why the server closes a connection. */
export interface Disconnect {
  code: string;
  reconnect: boolean;
  reconnect_after_ms?: number;
}

/** Anything that the server sends. */
export interface ServerText {
  /** Of an answer: the command's. Of a message: its own. */
  id?: number | string;
  result?: unknown;
  problem?: Problem;
  channel?: string;
  unsubscribed?: { channel: string; code: string };
  disconnect?: Disconnect;
}

/** A command was refused, or the connection was lost before its answer. */
export class RealtimeError extends Error {
  readonly code: string;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "RealtimeError";
    this.code = problem.code;
  }
}
