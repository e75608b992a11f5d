import type { Message, Subscribed } from "./protocol.js";

/** What somebody wants of a channel. */
export interface Handlers {
  /** Each message, in order, once. */
  onMessage: (message: Message) => void;
  /** The channel is followed. `recovered` is false where messages were missed that are not kept: read anew what it is about. */
  onSubscribed?: (state: { recovered: boolean }) => void;
  /** The channel is not followed any more, and will not be again by itself. */
  onEnd?: (code: string) => void;
}

/** A channel that is followed, also across connections. */
export class Subscription {
  readonly channel: string;
  private readonly handlers: Handlers;
  private readonly presence: boolean;
  private epoch: string | undefined;
  private offset = 0;

  constructor(channel: string, handlers: Handlers, presence: boolean) {
    this.channel = channel;
    this.handlers = handlers;
    this.presence = presence;
  }

  /** How to subscribe: from where it had come to. */
  command(): object {
    const recover = this.epoch === undefined ? undefined : { epoch: this.epoch, offset: this.offset };
    return { subscribe: { channel: this.channel, recover, presence: this.presence || undefined } };
  }

  began(answer: Subscribed): void {
    this.epoch = answer.epoch;
    this.offset = answer.offset;
    this.handlers.onSubscribed?.({ recovered: answer.recovered ?? true });
  }

  took(message: Message): void {
    // The server sends none twice; a message of before a new subscription may still be on its way.
    if (message.offset <= this.offset) return;
    this.offset = message.offset;
    if (message.epoch !== undefined) this.epoch = message.epoch;
    this.handlers.onMessage(message);
  }

  ended(code: string): void {
    this.handlers.onEnd?.(code);
  }
}
