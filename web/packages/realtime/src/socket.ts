/** What this package needs of a WebSocket: browsers and Node have it. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: (() => void) | null;
}

/** Opens a WebSocket. */
export type OpenSocket = (url: string) => Socket;

export const openSocket: OpenSocket = (url) => new WebSocket(url) as unknown as Socket;
