import type { Socket } from "../../src/socket.js";

/** The server's side of a connection, in memory. */
export class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: (() => void) | null = null;
  readonly commands: Record<string, unknown>[] = [];
  isOpen = false;
  isClosed = false;

  open(): void {
    this.isOpen = true;
    this.onopen?.();
  }

  send(text: string): void {
    if (!this.isOpen) throw new DOMException("The connection is not open", "InvalidStateError");
    this.commands.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  push(text: object): void {
    this.onmessage?.({ data: JSON.stringify(text) });
  }

  /** Answers the last command. */
  answer(result: object): void {
    this.push({ id: this.commands.at(-1)?.["id"], result });
  }

  /** Refuses the last command. */
  refuse(code: string, status = 403, detail?: string): void {
    this.push({ id: this.commands.at(-1)?.["id"], problem: { code, title: code, status, detail } });
  }

  end(code: number): void {
    this.onclose?.({ code });
  }
}

/** Lets promises that are settled go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

export function message(channel: string, offset: number): object {
  return { channel, offset, id: `m${offset}`, event: "a.b", data: { offset }, time: "2026-01-01T00:00:00Z" };
}
