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
  /** The same from now on; older servers do not say it. */
  expires_in_ms?: number;
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

/** The answer to `history`. */
export interface History<T = unknown> {
  channel: string;
  epoch: string;
  /** Of the newest message. */
  offset: number;
  /** Oldest first. */
  messages: Message<T>[];
}

/** The answer to `presence`. */
export interface Presence {
  channel: string;
  users: { user_id: string; since: string }[];
  /** Whether there are more: GET /api/v1/realtime/channels/{channel}/presence has all of them. */
  more: boolean;
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
  /** As the server has put it. */
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "RealtimeError";
    this.code = problem.code;
    this.problem = problem;
  }
}

/** Whether what was refused may be done a moment later: a limit on how much is asked, a fault of the server, or no connection. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof RealtimeError)) return false;
  // What the server refuses has a status.
  const { code, status } = error.problem;
  return code === "rate_limited" || status === undefined || status >= 500;
}

/** After how many milliseconds the server says to try again; 0 if it does not. */
export function retryAfter(error: RealtimeError): number {
  const said = /try again in ([\d.]+) seconds/i.exec(error.problem.detail ?? "");
  return said ? Math.ceil(Number(said[1]) * 1000) || 0 : 0;
}
