import { backoff } from "./backoff.js";
import type { Calls } from "./calls.js";
import { isPassing, RealtimeError, retryAfter, type Message, type Subscribed } from "./protocol.js";
import type { Subscription } from "./subscription.js";

/** Channels that are asked for at once. The server answers one after another, so that more would only wait there. */
const PORTION = 10;

/** Has one connection follow the channels that are wanted: a portion at a time, and again where a refusal is for now. */
export class Following {
  private readonly wanted: Map<string, Subscription>;
  private readonly calls: Calls;
  private readonly random: () => number;
  /** What the server sends over this connection. */
  private readonly followed = new Map<string, Subscription>();
  private readonly queue = new Set<string>();
  private readonly asking = new Set<string>();
  private readonly refusals = new Map<string, number>();
  private readonly pauses = new Set<ReturnType<typeof setTimeout>>();
  private isResting = false;
  private isStopped = false;

  /** `wanted` is shared: a subscription that is refused for good is removed from it. */
  constructor(wanted: Map<string, Subscription>, calls: Calls, random: () => number) {
    this.wanted = wanted;
    this.calls = calls;
    this.random = random;
    for (const channel of wanted.keys()) this.queue.add(channel);
    this.next();
  }

  /** It has changed whether a channel is wanted. */
  look(channel: string): void {
    this.queue.add(channel);
    this.next();
  }

  /** The connection is gone. */
  stop(): void {
    this.isStopped = true;
    for (const pause of this.pauses) clearTimeout(pause);
  }

  took(message: Message): void {
    const subscription = this.followed.get(message.channel);
    // One that is not wanted any more may still be sent for a moment.
    if (subscription && this.wanted.get(message.channel) === subscription) subscription.took(message);
  }

  /** The server has ended a subscription. */
  ended(channel: string, code: string): void {
    const subscription = this.followed.get(channel);
    this.followed.delete(channel);
    if (subscription && code !== "history_lost") this.drop(subscription, code);
    this.look(channel);
  }

  private next(): void {
    for (const channel of this.queue) {
      if (this.isStopped || this.isResting || this.asking.size >= PORTION) return;
      if (this.asking.has(channel)) continue;
      this.queue.delete(channel);
      if (this.wanted.get(channel) !== this.followed.get(channel)) void this.change(channel);
    }
  }

  private async change(channel: string): Promise<void> {
    const [wanted, followed] = [this.wanted.get(channel), this.followed.get(channel)];
    this.asking.add(channel);
    try {
      if (followed) await this.leave(channel);
      else if (wanted) await this.calls.send(wanted.command(), (result) => this.began(wanted, result as Subscribed));
      this.refusals.delete(channel);
      // What is wanted may be something else by now.
      this.queue.add(channel);
    } catch (error) {
      if (error instanceof RealtimeError && !this.isStopped) this.refused(channel, wanted, error);
    } finally {
      this.asking.delete(channel);
      this.next();
    }
  }

  private began(subscription: Subscription, answer: Subscribed): void {
    this.followed.set(subscription.channel, subscription);
    if (this.wanted.get(subscription.channel) === subscription) subscription.began(answer);
  }

  private async leave(channel: string): Promise<void> {
    await this.calls.send({ unsubscribe: { channel } }).catch((error: unknown) => {
      // Refused for good: the server has ended it already.
      if (isPassing(error)) throw error;
    });
    this.followed.delete(channel);
  }

  private refused(channel: string, wanted: Subscription | undefined, error: RealtimeError): void {
    if (!isPassing(error)) {
      if (wanted) this.drop(wanted, error.code);
      this.queue.add(channel);
      return;
    }
    const before = this.refusals.get(channel) ?? 0;
    this.refusals.set(channel, before + 1);
    const pause = Math.max(retryAfter(error), backoff(before, this.random));
    if (error.code === "rate_limited") {
      this.queue.add(channel);
      this.rest(pause);
    } else {
      this.after(pause, () => this.look(channel));
    }
  }

  /** The limit is the connection's: nothing else would be let through either. */
  private rest(pause: number): void {
    if (this.isResting) return;
    this.isResting = true;
    this.after(pause, () => {
      this.isResting = false;
      this.next();
    });
  }

  private after(pause: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.pauses.delete(timer);
      then();
    }, pause);
    this.pauses.add(timer);
  }

  private drop(subscription: Subscription, code: string): void {
    if (this.wanted.get(subscription.channel) !== subscription) return;
    this.wanted.delete(subscription.channel);
    subscription.ended(code);
  }
}
