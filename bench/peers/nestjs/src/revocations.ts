import { Injectable, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";

import { Database } from "./database.js";

/** A revoked session stops working within a second: each process follows the table, as Stoa's processes follow auth. */
@Injectable()
export class Revocations implements OnModuleInit, OnModuleDestroy {
  private readonly revoked = new Set<string>();
  private since = new Date(0);
  private timer?: NodeJS.Timeout;

  constructor(private readonly database: Database) {}

  async onModuleInit(): Promise<void> {
    await this.follow();
    this.timer = setInterval(() => void this.follow().catch(() => undefined), 500);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  contains(sessionId: string): boolean {
    return this.revoked.has(sessionId);
  }

  private async follow(): Promise<void> {
    const rows = await this.database.revokedSession.findMany({ where: { revoked_at: { gte: this.since } } });
    for (const row of rows) {
      this.revoked.add(row.session_id);
      if (row.revoked_at > this.since) this.since = row.revoked_at;
    }
  }
}
