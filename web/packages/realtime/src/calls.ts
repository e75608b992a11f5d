import { RealtimeError, type ServerText } from "./protocol.js";
import type { Socket } from "./socket.js";

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: RealtimeError) => void;
}

/** The commands of one connection, which wait for their answers. */
export class Calls {
  private readonly socket: Socket;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Sends a command. `first` is called with the result before anything that the server has sent behind it is read. */
  send(command: object, first?: (result: unknown) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      const text = JSON.stringify({ id, ...command });
      try {
        this.socket.send(text);
      } catch {
        reject(notConnected());
        return;
      }
      const done = (result: unknown): void => {
        try {
          first?.(result);
        } finally {
          resolve(result);
        }
      };
      this.waiting.set(id, { resolve: done, reject });
    });
  }

  answered(said: ServerText): void {
    const id = said.id as number;
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (said.problem) waiting?.reject(new RealtimeError(said.problem));
    else waiting?.resolve(said.result);
  }

  /** The connection is gone: whether the server has done what it did not answer is not known. */
  stop(): void {
    for (const waiting of this.waiting.values()) waiting.reject(disconnected());
    this.waiting.clear();
  }
}

/** The server has closed the connection with this code, or it was lost. */
export function disconnected(code = "disconnected"): RealtimeError {
  return new RealtimeError({ code, title: "The connection was lost" });
}

/** Nothing was sent. */
export function notConnected(): RealtimeError {
  return new RealtimeError({ code: "not_connected", title: "There is no connection" });
}
