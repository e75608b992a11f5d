/** What this package needs of a WebSocket: browsers and Node have it. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: Listener<unknown>;
  onmessage: Listener<{ data: unknown }>;
  onclose: Listener<{ code: number }>;
  onerror: Listener<unknown>;
}

// The parameter is bivariant, so that the WebSocket of browsers and that of the package ws fit as they are.
type Listener<T> = { call(event: T): void }["call"] | null;

/** Opens a WebSocket. */
export type OpenSocket = (url: string) => Socket;

export const openSocket: OpenSocket = (url) => new WebSocket(url);
